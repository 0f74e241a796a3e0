// For tests: looks up many keys of one datanode, directly over its channel.

import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { LookupBatch, LookupChannel, LookupTargetRef } from '../../../proto/ports.ts';

/**
 * Looks up `keys` in one batch. Returns the values, or the status of a key without one. Rejects if
 * the batch fails.
 */
export function askFor(
  channel: LookupChannel,
  keys: readonly string[],
  target: LookupTargetRef,
): Promise<(string | LookupStatus)[]> {
  return new Promise((resolve, reject) => {
    const answers: (string | LookupStatus)[] = [];
    channel.send({
      keys: keys.map((key) => ({ target, key: Buffer.from(key) })),
      onAnswer: (status, bytes, start, end) => {
        const value = Buffer.from(bytes.subarray(start, end)).toString();
        answers.push(status === LookupStatus.OK ? value : status);
        if (answers.length === keys.length) resolve(answers);
      },
      onFailure: reject,
    });
  });
}

/** A channel on which `answer` answers each batch; a batch fails with what it throws. */
export function channelOf(answer: (batch: LookupBatch) => Promise<void> | void): LookupChannel {
  return {
    send: (batch) => void (async () => answer(batch))().catch(batch.onFailure.bind(batch)),
    close: () => undefined,
  };
}
