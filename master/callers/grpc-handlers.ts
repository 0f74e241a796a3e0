// From promise to grpc-js: one handler shape for all unary calls.

import type { ServerUnaryCall, handleUnaryCall } from '@grpc/grpc-js';
import { USER_KEY } from '../../transport/grpc-channel.ts';
import { toGrpcError } from '../../transport/grpc-errors.ts';
import { runAs } from './actor.ts';

/** A unary handler; what `answer` throws becomes a gRPC status with Stele's code. */
export function unary<Request, Response>(
  answer: (request: Request, signal: AbortSignal) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const run = async (): Promise<Response> => answer(call.request, signalOf(call));
    const who = String(call.metadata.get(USER_KEY)[0] ?? '');
    runAs({ door: 'grpc', address: call.getPeer(), who }, run).then(
      (response) => callback(null, response),
      (thrown: unknown) => callback(toGrpcError(thrown)),
    );
  };
}

/** Aborts when the caller goes away or its deadline passes. */
function signalOf<Request, Response>(call: ServerUnaryCall<Request, Response>): AbortSignal {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort());
  return controller.signal;
}
