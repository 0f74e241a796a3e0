// Time that passes faster, for tests of deadlines and back-offs of seconds.

import { onTestFinished, vi } from 'vitest';

/**
 * Until the test ends, the clocks and timers of this process run `factor` times as fast. Other
 * processes, and what Node.js itself times (sockets, HTTP), keep to the real time.
 */
export function hurry(factor = 5): void {
  const [startMs, startUnixMs] = [performance.now(), Date.now()];
  const [nowMs, unixMs, set] = [performance.now.bind(performance), Date.now, setTimeout];
  const clocks = [
    vi.spyOn(performance, 'now').mockImplementation(() => startMs + factor * (nowMs() - startMs)),
    vi
      .spyOn(Date, 'now')
      .mockImplementation(() => Math.floor(startUnixMs + factor * (unixMs() - startUnixMs))),
  ];
  globalThis.setTimeout = Object.assign(
    (callback: () => void, delayMs = 0) => set(callback, delayMs / factor),
    { __promisify__: set.__promisify__ },
  );
  onTestFinished(() => {
    globalThis.setTimeout = set;
    for (const clock of clocks) clock.mockRestore();
  });
}
