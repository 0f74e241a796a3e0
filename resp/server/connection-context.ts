// What the connections of one listener share.

import type { LoopShare } from '../../base/process/loop-share.ts';
import type { ServerContext } from '../commands/backend.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import type { ClientLimits } from './client-limits.ts';
import type { Session } from '../commands/session.ts';

export interface ConnectionContext extends ServerContext {
  /** All turns of a thread write here, one after the other. */
  readonly out: ReplyWriter;
  readonly limits: ClientLimits;
  /** Divides each event-loop tick among all clients. */
  readonly share: LoopShare;
  /** Traffic of all clients; commands are counted once per turn. */
  readonly traffic: { commands: number; inputBytes: number; outputBytes: number };
  /** How long a command may take to arrive, from its first byte to its last. */
  readonly unfinishedMsMax: number;
  /** Whether connections are read into one shared buffer (transport/socket-reads.ts). */
  readonly reuseReads: boolean;
  onClosed(session: Session): void;
}
