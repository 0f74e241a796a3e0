// One segment to one datanode: one PUT (proto/segment-transfer.ts has the protocol).
//
// The bytes are written straight from the segment's memory, in slices, each as the one before has
// been taken: no copy is made, and what a node does not take is noticed. Where nothing moves for
// IDLE_MS_MAX the request is given up.

import { Agent, request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import {
  INCARNATION_HEADER,
  LOAD_HEADER,
  NODE_HEADER,
  errorOfProblem,
  segmentPath,
} from '../proto/segment-transfer.ts';
import type { SegmentInfo } from '../proto/gen/stele/v1/segment.ts';
import type { NodeView } from '../proto/gen/stele/v1/view.ts';
import { Throttle } from './throttle.ts';

/** Segments on their way to one node: while one is synced to disk there, the next ones travel. */
const CONNECTIONS_PER_NODE = 8;
/** Includes the wait for a turn, the verification and the sync at the datanode. */
const IDLE_MS_MAX = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const NO_LIMIT = new Throttle(0);

/** A segment on its way. `bytes` is over a SharedArrayBuffer and is read until it is stored. */
export interface OutgoingSegment {
  readonly info: SegmentInfo;
  readonly bytes: Uint8Array;
}

/** Who sends what. */
export interface PushIdentity {
  readonly keyspaceUid: string;
  readonly loadId: string;
}

/** The connections to one node; `destroy` it in the end. */
export function newPushAgent(): Agent {
  return new Agent({ keepAlive: true, maxSockets: CONNECTIONS_PER_NODE, scheduling: 'lifo' });
}

/**
 * Resolves once the node has verified and synced the segment, or had it. Rejects with the node's own
 * error, UNAVAILABLE for a broken connection, DEADLINE_EXCEEDED, or CANCELLED by `signal`.
 */
export function putSegment(
  agent: Agent,
  node: NodeView,
  identity: PushIdentity,
  segment: OutgoingSegment,
  signal: AbortSignal,
  throttle = NO_LIMIT,
): Promise<void> {
  const host = node.address?.host ?? '';
  const port = node.address?.httpPort ?? 0;
  const where = `datanode ${node.id} (${host}:${port})`;
  const call = request({
    agent,
    host,
    port,
    method: 'PUT',
    path: segmentPath(identity.keyspaceUid, segment.info.id),
    signal,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': segment.bytes.length,
      expect: '100-continue',
      [NODE_HEADER]: node.id,
      [INCARNATION_HEADER]: node.incarnation,
      [LOAD_HEADER]: identity.loadId,
    },
  });
  return new Promise<void>((resolve, reject) => {
    call.on('socket', (socket) => socket.setNoDelay(true));
    call.setTimeout(IDLE_MS_MAX, () => {
      const text = `${where} took no data for ${IDLE_MS_MAX / 1000} s.`;
      call.destroy(new SteleError('DEADLINE_EXCEEDED', text));
    });
    let isSent = false;
    call.on('continue', () => {
      isSent = true;
      if (throttle.isOn) void sendThrottled(call, segment.bytes, throttle, signal);
      else sendSlices(call, segment.bytes, 0, throttle.sliceBytes);
    });
    call.on('response', (response) => {
      readAnswer(response, where, (error) => {
        // Without the body that was announced, the connection is of no more use.
        if (!isSent) call.destroy();
        if (error === undefined) resolve();
        else reject(error);
      });
    });
    call.on('error', (thrown) => reject(connectionError(thrown, where)));
    call.on('close', () => reject(new SteleError('UNAVAILABLE', `${where} broke off.`)));
    call.flushHeaders();
  });
}

function sendSlices(
  call: ClientRequest,
  bytes: Uint8Array,
  start: number,
  sliceBytes: number,
): void {
  const end = Math.min(bytes.length, start + sliceBytes);
  const slice = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  if (end === bytes.length) {
    call.end(slice);
    return;
  }
  call.write(slice, (error) => {
    if (error === undefined || error === null) sendSlices(call, bytes, end, sliceBytes);
  });
}

/** The same at a rate. Ends without a word when the call is over; the call has told why. */
async function sendThrottled(
  call: ClientRequest,
  bytes: Uint8Array,
  throttle: Throttle,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < bytes.length && !call.destroyed;) {
    const end = Math.min(bytes.length, start + throttle.sliceBytes);
    await throttle.wait(end - start, signal);
    const slice = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    await new Promise<void>((resolve) => {
      call.once('close', resolve);
      call.write(slice, () => {
        call.off('close', resolve);
        resolve();
      });
    });
    start = end;
  }
  call.end();
}

function readAnswer(
  response: IncomingMessage,
  where: string,
  done: (error: SteleError | undefined) => void,
): void {
  const parts: Buffer[] = [];
  let byteCount = 0;
  response.on('data', (part: Buffer) => {
    byteCount += part.length;
    if (byteCount <= ANSWER_BYTES_MAX) parts.push(part);
  });
  response.on('end', () => {
    const status = response.statusCode ?? 0;
    if (status === 200) done(undefined);
    else done(errorOfProblem(status, Buffer.concat(parts).toString(), where));
  });
  response.on('error', (thrown) => done(connectionError(thrown, where)));
}

function connectionError(thrown: unknown, where: string): SteleError {
  if (thrown instanceof SteleError) return thrown;
  const code = systemErrorCode(thrown);
  if (code === 'ABORT_ERR') return new SteleError('CANCELLED', 'The load has ended.');
  const text = `${where} cannot be reached: ${toSteleError(thrown).message}.`;
  return new SteleError('UNAVAILABLE', text, { cause: thrown });
}
