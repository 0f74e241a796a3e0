// Many that wait for one AbortSignal, behind one listener of it.
//
// Node.js looks through all listeners of a signal for each one that is added or removed, and warns of a leak at the
// eleventh: 20,000 reads at a time under one signal of their caller cost 1.4 s of processor time so.
// AbortSignal.any costs 30 us and leaves a trace in a signal that lives long.
//
// Invariant: who has let go of a signal is not called any more.

const watchers = new WeakMap<AbortSignal, Set<() => void>>();

/** Has `call` (which does not throw) called once when `signal` aborts; never where it is aborted already. */
export function watchAbort(signal: AbortSignal, call: () => void): void {
  let calls = watchers.get(signal);
  if (calls === undefined) {
    calls = new Set();
    watchers.set(signal, calls);
    signal.addEventListener('abort', callAll, { once: true });
  }
  calls.add(call);
}

/** Takes `watchAbort` back. */
export function unwatchAbort(signal: AbortSignal, call: () => void): void {
  const calls = watchers.get(signal);
  if (calls === undefined || !calls.delete(call) || calls.size > 0) return;
  watchers.delete(signal);
  signal.removeEventListener('abort', callAll);
}

/** What aborts with somebody else's signals, and may be over before. */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  /** Aborts it, and lets go of the others. */
  end(): void;
}

/** A signal of one's own that aborts with any of `others` as well, for its reason. `end` must be called. */
export function linkAbort(...others: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const own = new AbortController();
  const abort = (): void => own.abort(others.find((other) => other?.aborted)?.reason);
  for (const other of others) {
    if (other?.aborted === true) abort();
    else if (other !== undefined) watchAbort(other, abort);
  }
  const end = (): void => {
    for (const other of others) if (other !== undefined) unwatchAbort(other, abort);
    abort();
  };
  return { signal: own.signal, end };
}

function callAll({ target }: Event): void {
  const signal = target as AbortSignal;
  const calls = watchers.get(signal) ?? [];
  for (const call of calls) call();
  watchers.delete(signal);
}
