// How a segment travels from a loader to a datanode: one HTTP request on the datanode's HTTP port.
//
//     loader                                                datanode
//       PUT /v1/segments/{keyspace uid}/{segment id}   ->
//           content-length: N    expect: 100-continue
//                                                      <-   100: there is room, send the bytes
//       N bytes                                        ->
//                                                      <-   200: verified, synced to disk, servable
//
// A datanode that has the segment answers 200 at once and gets no bytes. One that refuses (another
// node or run than the loader means, no room, damaged bytes) answers application/problem+json with
// Stele's code. An answer in place of the 100 ends the connection: HTTP has no other way to say that
// the announced bytes will not come (RFC 9110, 10.1.1).
//
// Not gRPC: grpc-js copies bulk bytes several times over (docs/ARCHITECTURE.md, Decisions).

import { SteleError, isErrorCode } from '../base/errors.ts';

/** Headers that name the node and the run meant; another one refuses with WRONG_NODE. */
export const NODE_HEADER = 'stele-node';
export const INCARNATION_HEADER = 'stele-incarnation';
export const LOAD_HEADER = 'stele-load';
/** The route as fastify writes it. */
export const SEGMENT_ROUTE = '/v1/segments/:keyspaceUid/:segmentId';

export function segmentPath(keyspaceUid: string, segmentId: string): string {
  return `/v1/segments/${encodeURIComponent(keyspaceUid)}/${encodeURIComponent(segmentId)}`;
}

/** The error that a problem+json body tells of; `where` names who answered. */
export function errorOfProblem(status: number, body: string, where: string): SteleError {
  const problem = parseObject(body);
  const code = typeof problem['code'] === 'string' ? problem['code'] : '';
  const detail = typeof problem['detail'] === 'string' ? problem['detail'] : '';
  if (isErrorCode(code)) return new SteleError(code, `${where}: ${detail}`);
  return new SteleError('UNAVAILABLE', `${where} answered with HTTP status ${status}.`);
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
