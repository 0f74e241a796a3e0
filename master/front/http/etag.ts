// Entity tags: of JSON answers that are asked for again and again, and their comparison.

import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** If-None-Match (RFC 9110, 13.1.2): a list of tags, or `*`; weak tags match, too. */
export function matchesWeakly(header: string, etag: string): boolean {
  if (header === etag || header.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === opaque);
}

/** If-Match (RFC 9110, 13.1.1): a list of tags, or `*`; a weak tag matches nothing. */
export function matchesStrongly(header: string, etag: string): boolean {
  return header.trim() === '*' || header.split(',').some((tag) => tag.trim() === etag);
}

/**
 * Sends `answer` as JSON with an etag of its content; 304 without a body if the request names that
 * etag. For answers that pages poll and that rarely change.
 */
export function sendTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  answer: object,
): FastifyReply {
  const body = JSON.stringify(answer);
  const digest = createHash('sha1').update(body).digest('base64url');
  const etag = `W/"${digest}"`;
  void reply.headers({ etag, 'cache-control': 'private, no-cache' });
  const wanted = request.headers['if-none-match'];
  if (wanted !== undefined && matchesWeakly(wanted, etag)) return reply.code(304).send();
  return reply.type('application/json; charset=utf-8').send(body);
}
