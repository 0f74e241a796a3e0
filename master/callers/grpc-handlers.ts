// Unary gRPC handlers of a master. Each runs as its caller.

import type { Metadata, handleUnaryCall } from '@grpc/grpc-js';
import { FORWARDED_KEY, USER_KEY } from '../../transport/grpc-channel.ts';
import { unaryHandler } from '../../transport/grpc-errors.ts';
import { subjectOf } from '../../transport/grpc-access.ts';
import type { Subject } from '../../access/subject.ts';
import { MUST_LEAD, runAs } from './actor.ts';
import type { Caller } from './actor.ts';

/**
 * A unary handler; `subject` is who calls, with --auth on. An error of `answer` becomes a gRPC
 * status with Stele's code.
 */
export function unary<Request, Response>(
  answer: (
    request: Request,
    signal: AbortSignal,
    subject: Subject | undefined,
  ) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return unaryHandler((request, signal, call) =>
    runAs(callerOf(call.metadata, call.getPeer()), async () =>
      answer(request, signal, subjectOf(call.metadata)),
    ),
  );
}

/** The caller; of a call that another master passes on, the one that called that master. */
function callerOf(metadata: Metadata, peer: string): Caller {
  const who = String(metadata.get(USER_KEY)[0] ?? '');
  const [forwarded] = metadata.get(FORWARDED_KEY);
  if (forwarded === undefined) return { door: 'grpc', address: peer, who };
  const [door = '', address = '', demand] = String(forwarded).split(' ');
  const mustLead = demand === MUST_LEAD;
  return { door: door === 'http' ? 'http' : 'grpc', address, who, mustLead };
}
