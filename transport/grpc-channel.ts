// The options of every gRPC channel and server of Stele, and unary calls as promises.
//
// By default, grpc-js shares one connection between identical channels, has no deadline and no
// keepalive, and backs off for up to two minutes. All of these are set here.

import { InterceptingCall, Metadata, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type {
  CallOptions as GrpcCallOptions,
  ChannelCredentials,
  ChannelOptions,
  Client,
  ClientUnaryCall,
  Interceptor,
} from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { unwatchAbort, watchAbort } from '../base/abort.ts';
import { SteleError } from '../base/errors.ts';
import { GRPC_MESSAGE_BYTES_MAX, GRPC_REQUEST_BYTES_MAX } from '../base/limits.ts';
import { isTracing } from '../base/process/tracing.ts';
import { steleErrorFromGrpc } from './grpc-errors.ts';
import { clientTrace } from './grpc-trace.ts';
import { WatchedCredentials } from './grpc-dial.ts';
import type { DialIdentity } from './dial-identity.ts';
import type { CallOptions } from '../proto/ports.ts';

// grpc-js writes lines of its own to stderr, where Stele writes JSON or one sentence for a person.
// The same failures also reach us as errors. GRPC_VERBOSITY enables the lines again.
if (process.env['GRPC_VERBOSITY'] === undefined) setLogVerbosity(logVerbosity.NONE);

const KEEPALIVE_MS = 1000;
const RECONNECT_MS_MAX = 1000;

export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
  // A process that was moved keeps its name and gets another address. With the default of 30 s, a
  // name that was resolved a moment too early would lead nowhere for so long.
  'grpc.dns_min_time_between_resolutions_ms': RECONNECT_MS_MAX,
  'grpc.max_receive_message_length': GRPC_MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': GRPC_MESSAGE_BYTES_MAX,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  // It has a cost per call, and nobody uses it.
  'grpc.enable_channelz': 0,
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
};

export const SERVER_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': GRPC_REQUEST_BYTES_MAX,
  'grpc.max_send_message_length': GRPC_MESSAGE_BYTES_MAX,
  // Node.js stops reading from a connection whose peer broke the rules of HTTP/2, so it does not
  // notice the close. A ping without an answer then ends the session (25 KB) of the lost client.
  'grpc.keepalive_time_ms': 2000,
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.max_concurrent_streams': 1000,
  // Megabytes that a connection may hold before it gets no further stream; unlimited by default.
  'grpc-node.max_session_memory': 96,
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  // A process must be the only one on its port.
  'grpc.so_reuseport': 0,
};

interface OpenOptions extends DialIdentity {
  /** HOST:PORT whose host the certificate must have. Default: the address that is dialled. */
  readonly certifiedAs?: string;
  readonly dialMs?: number;
  readonly channel?: ChannelOptions;
}

/** A client on a channel of its own; `close` leaves nothing of it open (grpc-dial.ts). */
export function openClient<Opened extends Client>(
  ClientOf: new (
    address: string,
    credentials: ChannelCredentials,
    options: ChannelOptions,
  ) => Opened,
  address: string,
  { authorization, tls, certifiedAs, dialMs, channel }: OpenOptions = {},
): Opened {
  const credentials = new WatchedCredentials(dialMs, tls, certifiedAs);
  const interceptors = [
    ...(authorization === undefined ? [] : [showing(authorization)]),
    ...(isTracing() ? [clientTrace(address)] : []),
  ];
  const options = {
    ...CHANNEL_OPTIONS,
    ...channel,
    ...(interceptors.length === 0 ? {} : { interceptors }),
  };
  const client = new ClientOf(address, credentials, options);
  const close = client.close.bind(client);
  client.close = () => {
    credentials.close();
    // A channel that is closed before the event-loop tick in which its address is resolved creates
    // a subchannel afterwards, and keeps it, with a timer, for ever.
    setImmediate(() => setImmediate(close));
  };
  return client;
}

function showing(authorization: () => string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set(AUTHORIZATION_KEY, authorization());
        next(metadata, listener);
      },
    });
}

/** A unary method of a generated client, bound to it. */
export type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<GrpcCallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/**
 * Metadata key for what the caller shows: a user and its password, a token, or the secret of the
 * cluster.
 */
export const AUTHORIZATION_KEY = 'authorization';

/** Metadata key for the caller, `user@host`. It records who did what and is not verified. */
export const USER_KEY = 'stele-user';
/**
 * Metadata key of a call that one master passes on to another: the door and the address where it
 * first came in.
 */
export const FORWARDED_KEY = 'stele-forwarded-for';

/**
 * Makes one unary call. `method` must be bound to its client; `peer` names the other side in
 * errors. Rejects with a SteleError: DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE, or the peer's own
 * error.
 */
export function callUnary<Request, Response>(
  method: UnaryMethod<Request, Response>,
  request: Request,
  peer: string,
  options: CallOptions & { readonly user?: string; readonly forwardedFor?: string },
): Promise<Response> {
  const { signal, deadlineMs, forwardedFor, user } = options;
  if (signal?.aborted === true) {
    return Promise.reject(new SteleError('CANCELLED', `The call to ${peer} was cancelled.`));
  }
  const metadata = new Metadata();
  // Header values are printable ASCII.
  if (user !== undefined) metadata.set(USER_KEY, user.replace(/[^ -~]/g, '?'));
  if (forwardedFor !== undefined) {
    metadata.set(FORWARDED_KEY, forwardedFor.replace(/[^ -~]/g, '?'));
  }
  return new Promise((resolve, reject) => {
    const call = method(
      request,
      metadata,
      { deadline: Date.now() + deadlineMs },
      (error, response) => {
        if (signal !== undefined) unwatchAbort(signal, cancel);
        if (error === null) resolve(response);
        else reject(steleErrorFromGrpc(error, peer));
      },
    );
    const cancel = (): void => call.cancel();
    if (signal !== undefined) watchAbort(signal, cancel);
  });
}
