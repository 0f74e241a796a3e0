// Verbs that run until they are stopped: a signal ends them in order, with the exit code of that
// signal.

import { exitCodeOfSignal, INTERRUPT_SIGNALS } from './exit.ts';
import type { InterruptSignal } from './exit.ts';

/**
 * Runs `use` and returns its exit code. The first SIGHUP, SIGINT or SIGTERM aborts the signal that
 * `use` gets, which must then end soon; whatever it returns or throws, the exit code is that of the
 * signal. A second one ends the process at once.
 */
export async function untilInterrupted(
  use: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const stopping = new AbortController();
  let received: InterruptSignal | undefined;
  const onSignal = (signal: InterruptSignal): void => {
    if (received !== undefined) process.exit(exitCodeOfSignal(signal));
    received = signal;
    stopping.abort();
  };
  for (const signal of INTERRUPT_SIGNALS) process.on(signal, onSignal);
  try {
    const code = await use(stopping.signal);
    return received === undefined ? code : exitCodeOfSignal(received);
  } catch (thrown) {
    if (received === undefined) throw thrown;
    return exitCodeOfSignal(received);
  } finally {
    for (const signal of INTERRUPT_SIGNALS) process.off(signal, onSignal);
  }
}
