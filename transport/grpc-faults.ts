// Calls that fail by a defect of ours, in the log of the server: with the stack, and with a request
// id that the caller is sent as well (and which the audit log has, if the call is in it).

import type {
  ServiceDefinition,
  StatusObject,
  UntypedServiceImplementation,
  handleUnaryCall,
} from '@grpc/grpc-js';
import { monotonicNowMs } from '../base/clock.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { STELE_CODE_KEY } from './grpc-errors.ts';

/** Trailing metadata with the id of a call. */
export const REQUEST_ID_KEY = 'stele-request-id';

type Unary = handleUnaryCall<unknown, unknown>;
type Failure = Partial<StatusObject> & { readonly cause?: unknown };

/** The same service, whose unary calls are logged if their error is INTERNAL. */
export function withFaultLog(
  definition: ServiceDefinition,
  service: UntypedServiceImplementation,
  log: Logger,
): UntypedServiceImplementation {
  const handlers = Object.entries(service).map(([name, handler]) => {
    const method = definition[name];
    const isUnary = method?.requestStream === false && !method.responseStream;
    return [name, isUnary ? logged(handler as Unary, method.path, log) : handler] as const;
  });
  return Object.fromEntries(handlers);
}

function logged(handler: Unary, path: string, log: Logger): Unary {
  return (call, callback) => {
    const startMs = monotonicNowMs();
    handler(call, (error, ...rest) => {
      if (error?.metadata?.get(STELE_CODE_KEY)[0] === 'INTERNAL') {
        const tookMs = Math.round(monotonicNowMs() - startMs);
        logFault(error, { path, tookMs, peer: call.getPeer() }, log);
      }
      callback(error, ...rest);
    });
  };
}

function logFault(error: Failure, about: object, log: Logger): void {
  const requestId = randomId();
  error.metadata?.set(REQUEST_ID_KEY, requestId);
  log.error({ requestId, ...about, err: error.cause }, 'request failed');
}
