// What the connections of one listener have in common.

import type { LoopShare } from '../../base/loop-share.ts';
import type { ServerContext } from '../commands/backend.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import type { Pressure } from './pressure.ts';
import type { Session } from '../commands/session.ts';

export interface ConnectionContext extends ServerContext {
  /** All turns of a thread write here, one after the other. */
  readonly out: ReplyWriter;
  readonly pressure: Pressure;
  /** The time of all clients in a turn of the event loop. */
  readonly share: LoopShare;
  /** What all clients together have sent and been sent; commands are counted once a turn. */
  readonly traffic: { commands: number; inputBytes: number; outputBytes: number };
  /** A command may take this long to arrive, from its first byte to its last. */
  readonly unfinishedMsMax: number;
  /** Whether connections are read into one buffer (base/socket-reads.ts). */
  readonly reuseReads: boolean;
  onClosed(session: Session): void;
}
