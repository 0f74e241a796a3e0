// What `stele bench` reads from: a number of slots, each with at most one read in flight.

/** `error` is a sentence, for counting; the value is only valid during the call. */
export type ReadOutcome =
  | { readonly status: 'hit'; readonly value: Uint8Array }
  | { readonly status: 'miss' }
  | { readonly status: 'error'; readonly error: string };

export type OnOutcome = (outcome: ReadOutcome) => void;

export interface ReadTarget {
  /** For the report. */
  readonly name: string;
  /** Reads the key of this index on this slot. Calls `done` once, later. */
  read(slot: number, key: number, done: OnOutcome): void;
  close(): Promise<void> | void;
}

export const MISS: ReadOutcome = { status: 'miss' };

export function failed(error: string): ReadOutcome {
  return { status: 'error', error };
}
