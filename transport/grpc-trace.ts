// Spans of gRPC calls, with the W3C context in the metadata of unary calls (docs/tracing.md).
//
//   client   a call that is made in a span is a part of it, and tells the server so
//   server   a call that comes with a context goes on with it; a Lookup without one begins a trace
//
// Heartbeats and reports of progress come every second for as long as something runs, and have no
// spans.

import {
  InterceptingCall,
  ListenerBuilder,
  RequesterBuilder,
  ResponderBuilder,
  ServerInterceptingCall,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js';
import type { Interceptor, Metadata, ServerInterceptor, StatusObject } from '@grpc/grpc-js';
import { splitAddress } from '../base/address.ts';
import { beginCall, beginSpan } from '../base/process/tracing.ts';
import type { SpanAttributes, TraceSpan } from '../base/process/tracing.ts';

/** The field of the W3C context. */
const CONTEXT_FIELD = 'traceparent';
const QUIET = /\/(?:Heartbeat|ReportProgress|GetReadCounters|CountReads)$/;
const READ = '/stele.v1.LookupService/Lookup';

/** What a server fails with by its own fault; other codes are answers. */
const FAULTS: ReadonlySet<number> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

interface Method {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** For a channel to `address`, HOST:PORT. */
export function clientTrace(address: string): Interceptor {
  return (options, nextCall) => {
    const method = options.method_definition;
    const call = nextCall(options);
    const span = isTraced(method)
      ? beginCall(method.path.slice(1), { ...attributesOf(method), ...serverOf(address) })
      : undefined;
    if (span === undefined) return new InterceptingCall(call);
    const listener = new ListenerBuilder()
      .withOnReceiveStatus((received, pass) => {
        endSpan(span, received, received.code !== status.OK);
        pass(received);
      })
      .build();
    const requester = new RequesterBuilder()
      .withStart((metadata, _listener, next) => {
        span.inject((name, value) => metadata.set(name, value));
        next(metadata, listener);
      })
      .build();
    return new InterceptingCall(call, requester);
  };
}

/** Pass it to the server's constructor before all others. */
export const serverTrace: ServerInterceptor = (method, call) => {
  if (!isTraced(method)) return new ServerInterceptingCall(call);
  let span: TraceSpan | undefined;
  const inSpan = (pass: () => void): void => {
    if (span === undefined) pass();
    else span.run(pass);
  };
  const listener = new ServerListenerBuilder()
    .withOnReceiveMetadata((metadata, pass) => {
      span = spanOf(method, metadata);
      inSpan(() => pass(metadata));
    })
    .withOnReceiveMessage((message, pass) => inSpan(() => pass(message)))
    .withOnReceiveHalfClose((pass) => inSpan(pass))
    .withOnCancel(() => {
      if (span !== undefined) endSpan(span, { code: status.CANCELLED, details: '' }, false);
      span = undefined;
    })
    .build();
  const responder = new ResponderBuilder()
    .withStart((next) => next(listener))
    .withSendStatus((sent, next) => {
      if (span !== undefined) {
        endSpan(
          span,
          { code: sent.code ?? 0, details: sent.details ?? '' },
          FAULTS.has(sent.code ?? 0),
        );
      }
      span = undefined;
      next(sent);
    })
    .build();
  return new ServerInterceptingCall(call, responder);
};

function isTraced({ path, requestStream, responseStream }: Method): boolean {
  return !requestStream && !responseStream && !QUIET.test(path);
}

function spanOf(method: Method, metadata: Metadata): TraceSpan | undefined {
  const field = (name: string): string | undefined => metadata.get(name)[0]?.toString();
  if (field(CONTEXT_FIELD) === undefined && method.path !== READ) return undefined;
  const attributes = attributesOf(method);
  return beginSpan(method.path.slice(1), { kind: 'server', attributes, parent: field });
}

function attributesOf({ path }: Method): SpanAttributes {
  const [service = '', method = ''] = path.slice(1).split('/');
  return { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
}

function serverOf(address: string): SpanAttributes {
  const { host, port } = splitAddress(address);
  return { 'server.address': host, 'server.port': port };
}

function endSpan(
  span: TraceSpan,
  { code, details }: Pick<StatusObject, 'code' | 'details'>,
  isFailure: boolean,
): void {
  span.set({ 'rpc.grpc.status_code': code });
  if (isFailure) span.fail(details);
  span.end();
}
