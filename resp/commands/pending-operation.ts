// The reply to a command that waits for a promise: operations of the cluster, commands about slots.
//
// Not for reads, because a promise per key costs more than the lookup
// (master/front/resp/resp-pending.ts).

import { toSteleError } from '../../base/errors.ts';
import type { SteleError } from '../../base/errors.ts';
import { PendingReply } from './pending-reply.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

export class PendingOperation<Answer> extends PendingReply {
  readonly #writeAnswer: (out: ReplyWriter, answer: Answer) => void;
  #answer: Answer | undefined;
  #failure: SteleError | undefined;

  /** `operation` must settle; a rejection becomes an error reply. */
  constructor(operation: Promise<Answer>, writeAnswer: (out: ReplyWriter, answer: Answer) => void) {
    super();
    this.#writeAnswer = writeAnswer;
    operation.then(
      (answer) => {
        this.#answer = answer;
        this.finish();
      },
      (thrown: unknown) => {
        this.#failure = toSteleError(thrown);
        this.finish();
      },
    );
  }

  override write(out: ReplyWriter): void {
    if (this.#failure !== undefined) out.failure(this.#failure);
    else this.#writeAnswer(out, this.#answer as Answer);
  }
}
