// The console: a page at `/` and its files below /console/, which the build has put into
// dist/console.
//
// The files are open to everybody, because they hold no data: what the page shows comes from the
// other routes, with the rights of the user. They are read at the first request and then kept. The
// names of files contain a hash of their content, so that browsers keep them for good; the page
// itself is asked for again each time.

import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { matchesWeakly } from './etag.ts';
import { PAGE_HEADERS } from './page-headers.ts';

interface ConsoleFile {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly compressed: Buffer;
}

type Files = ReadonlyMap<string, ConsoleFile>;

const PAGE = 'index.html';
/** Sources run in tests; what they serve is built, too. */
const BUILT = import.meta.url.endsWith('.ts') ? '../../../dist/console' : '../../../console';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing but files of this server: no styles in the page itself either. */
const HEADERS: Readonly<Record<string, string>> = {
  ...PAGE_HEADERS,
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
};

/** Registers `/` and /console/. `folder` has the files, by default those of this build. */
export function consoleRoutes(
  app: FastifyInstance,
  folder = fileURLToPath(new URL(BUILT, import.meta.url)),
): void {
  let read: Promise<Files> | undefined;
  const send = async (name: string, request: FastifyRequest, reply: FastifyReply) => {
    read ??= readFiles(folder);
    const file = (await read).get(name);
    if (file === undefined) throw notThere(name);
    return sendFile(file, name === PAGE, request, reply);
  };
  const options = { schema: { hide: true } };
  app.get('/', options, (request, reply) => send(PAGE, request, reply));
  app.get(
    '/console/:file',
    options,
    (request: FastifyRequest<{ Params: { file: string } }>, reply) =>
      send(request.params.file, request, reply),
  );
}

async function sendFile(
  { bytes, compressed, etag, type }: ConsoleFile,
  isPage: boolean,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const wanted = request.headers['if-none-match'];
  void reply.headers({
    ...HEADERS,
    'cache-control': isPage ? 'no-cache' : 'public, max-age=31536000, immutable',
    etag,
    vary: 'accept-encoding',
  });
  if (wanted !== undefined && matchesWeakly(wanted, etag)) return reply.code(304).send();
  void reply.type(type);
  if (!acceptsGzip(request.headers['accept-encoding'])) return reply.send(bytes);
  return reply.header('content-encoding', 'gzip').send(compressed);
}

function acceptsGzip(header: string | undefined): boolean {
  return header !== undefined && /\bgzip\b(?!\s*;\s*q=0(?:[.]0*)?\s*(?:,|$))/.test(header);
}

/** The page, and the files of the folder `console` beside it. */
async function readFiles(folder: string): Promise<Files> {
  const names = await Promise.all([namesIn(folder), namesIn(join(folder, 'console'))]);
  const paths = names.flat().filter((path) => extname(path) in TYPES);
  const read = paths.map(async (path) => [basename(path), await readOne(path)] as const);
  return new Map(await Promise.all(read));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

async function readOne(path: string): Promise<ConsoleFile> {
  const bytes = await readFile(path);
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  const type = TYPES[extname(path)] ?? '';
  return { type, bytes, etag: `"${digest}"`, compressed: await promisify(gzip)(bytes) };
}

function notThere(name: string): SteleError {
  const text =
    name === PAGE
      ? 'This build has no console; `npm run build` adds it. /docs lists the other routes.'
      : `The console has no file '${shorten(name)}'; load the page at / again.`;
  return new SteleError('NOT_FOUND', text);
}
