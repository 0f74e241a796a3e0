// Looks up one key on one given datanode, with no other replica in its place.

import { copyOf } from '../base/bytes.ts';
import { systemTime } from '../base/clock.ts';
import type { Time } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { Sweeper } from '../base/sweeper.ts';
import type { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import type { LookupChannel, LookupTargetRef } from '../proto/ports.ts';

export interface KeyAnswer {
  readonly status: LookupStatus;
  /** Empty unless the status is OK. */
  readonly value: Buffer;
}

/**
 * Rejects with DEADLINE_EXCEEDED after `deadlineMs`, or with the reason why the node cannot be
 * asked.
 */
export function lookupOne(
  channel: LookupChannel,
  target: LookupTargetRef,
  key: Uint8Array,
  deadlineMs: number,
  time: Time = systemTime,
): Promise<KeyAnswer> {
  return new Promise((resolve, reject) => {
    // Not a plain timer: a stall of this process is not silence of the node.
    const deadline = new Sweeper({
      intervalMs: deadlineMs,
      time,
      sweep: () => {
        reject(new SteleError('DEADLINE_EXCEEDED', 'The datanode did not answer in time.'));
        return false;
      },
    });
    deadline.ensure();
    channel.send({
      keys: [{ target, key }],
      onAnswer: (status, bytes, start, end) => {
        deadline.stop();
        resolve({ status, value: copyOf(bytes, start, end) });
      },
      onFailure: (error) => {
        deadline.stop();
        reject(error);
      },
    });
  });
}
