// Doing something every so often while a view is shown and its tab is in front.

export function every(intervalMs, action, signal) {
  let isBusy = false;
  const tick = async () => {
    if (isBusy || document.hidden) return;
    isBusy = true;
    try {
      await action();
    } finally {
      isBusy = false;
    }
  };
  const timer = setInterval(tick, intervalMs);
  document.addEventListener("visibilitychange", tick, { signal });
  signal.addEventListener("abort", () => clearInterval(timer));
}
