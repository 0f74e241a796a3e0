// Where the bytes of a fetched segment go.

import type { FetchTarget } from '../proto/ports.ts';

/** Memory as long as the segment. `pace`: see FetchTarget; default: no limit. */
export function targetOf(bytes: Uint8Array, pace: FetchTarget['pace'] = () => 0): FetchTarget {
  let received = 0;
  return {
    byteLength: bytes.length,
    get room() {
      return bytes.subarray(received);
    },
    filled: (byteCount) => {
      received += byteCount;
      return undefined;
    },
    pace,
  };
}

/** Writes all of `bytes`, piece by piece. Throws what the target throws. */
export async function fillTarget(
  target: Pick<FetchTarget, 'room' | 'filled'>,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { room } = target;
    const count = Math.min(room.length, bytes.length - at);
    room.set(bytes.subarray(at, at + count));
    at += count;
    await target.filled(count);
  }
}
