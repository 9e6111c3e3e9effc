// A job's states, and what can be asked of it in each (the server's own state machine decides; this only enables buttons).

const unfinished = new Set(["queued", "running", "pausing", "paused", "cancelling"]);

export function isUnfinished(job) {
  return unfinished.has(job.state);
}

export function isMoving(job) {
  return isUnfinished(job) && job.state !== "paused";
}

export const actions = {
  pause: { label: "Pause", from: new Set(["queued", "running"]) },
  resume: { label: "Resume", from: new Set(["paused"]) },
  cancel: { label: "Cancel", from: new Set(["queued", "running", "pausing", "paused"]) },
};
export const deletableStates = new Set(["queued", "paused", "cancelled", "succeeded", "failed"]);
