// Trying a spec on the server after every edit, without keeping anything: the last edit's answer counts, whatever order answers come in.

const tryAfterMs = 250;

// attempt() returns a promise of the server's answer. Returns {schedule, run, forget}; forget drops answers still under way.
export function dryRun({ signal, attempt, onResult, onProblem }) {
  let timer = 0;
  let latest = 0;
  const forget = () => {
    clearTimeout(timer);
    latest += 1;
  };
  const run = async () => {
    forget();
    const mine = latest;
    try {
      const result = await attempt();
      if (mine === latest) onResult(result);
    } catch (problem) {
      if (!signal.aborted && mine === latest) onProblem(problem);
    }
  };
  signal.addEventListener("abort", forget);
  return {
    forget, run,
    schedule() {
      forget();
      timer = setTimeout(run, tryAfterMs);
    },
  };
}
