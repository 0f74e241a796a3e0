// Errors over HTTP: application/problem+json (RFC 9457) with Stele's code and the request id.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import type { ErrorCode } from '../../../base/errors.ts';
import { CHALLENGES, CONSOLE_CHALLENGE, PROBLEM_TYPE, problemOf } from '../../../base/problem.ts';

const codes = new WeakMap<FastifyReply, ErrorCode>();

/** The code of a problem that was sent; undefined for other replies. */
export function codeOf(reply: FastifyReply): ErrorCode | undefined {
  return codes.get(reply);
}

/** Answers a request that fastify still handles. `more` are additional members of the problem. */
export function sendProblem(
  reply: FastifyReply,
  error: SteleError,
  status?: number,
  more: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  const problem = problemOf(error, reply.request.id, status);
  codes.set(reply, error.code);
  if (error.retryable) void reply.header('retry-after', '1');
  if (problem.status === 401) {
    const isConsole = reply.request.headers['x-requested-with'] === 'stele-console';
    void reply.header('www-authenticate', isConsole ? CONSOLE_CHALLENGE : CHALLENGES);
  }
  // Serialised here, because fastify would add a charset, which problem+json does not have.
  return reply
    .code(problem.status)
    .header('content-type', PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify({ ...problem, ...more })));
}

/** Answers a request that was taken over from fastify. `status` overrides the table's. */
export function writeProblem(
  response: ServerResponse,
  error: SteleError,
  requestId: string,
  status?: number,
): void {
  const problem = problemOf(error, requestId, status);
  const body = Buffer.from(JSON.stringify(problem));
  const headers = ['content-type', PROBLEM_TYPE, 'content-length', String(body.length)];
  if (error.retryable) headers.push('retry-after', '1');
  response.writeHead(problem.status, headers);
  response.end(body);
}

const LINGER_MS_MAX = 2_000;
const STATUS_LINES: Readonly<Record<string, [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    'Request Header Fields Too Large',
    'The request line and headers are too long.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request did not arrive in time.'],
};

/**
 * Answers input that is not an HTTP request, and closes the connection. What still arrives is read
 * and discarded until the client has closed its side, at most for `LINGER_MS_MAX`: closing a socket
 * with unread input resets the connection, and the client would lose the answer. Called again for
 * each piece of such input.
 */
export function writeConnectionProblem(
  thrown: Error & { code?: string },
  socket: Socket,
  requestId: string,
): void {
  if (socket.writableEnded) return;
  if (thrown.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const timer = setTimeout(() => socket.destroy(), LINGER_MS_MAX);
  socket.once('close', () => clearTimeout(timer));
  const known = Object.hasOwn(STATUS_LINES, thrown.code ?? '') ? thrown.code : undefined;
  const [status, phrase, detail] = (known === undefined ? undefined : STATUS_LINES[known]) ?? [
    400,
    'Bad Request',
    'This is not a well-formed HTTP request.',
  ];
  const problem = problemOf(new SteleError('INVALID_ARGUMENT', detail), requestId, status);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${status} ${phrase}\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
