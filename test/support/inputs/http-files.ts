// A server of files over HTTP for tests: ranges, ETags, users, and faults on demand.

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export class HttpFiles {
  readonly files = new Map<string, Buffer>();
  /** Ranges that were asked for, with their bytes. */
  readonly ranges: string[] = [];
  bytesSent = 0;
  hasRanges = true;
  hasTags = true;
  /** `user:password` that must be given. */
  user = '';
  /** Answers all requests with this status. */
  status = 0;
  /**
   * Called before each answer; returns how many bytes of it are sent before the connection breaks.
   */
  breakAfter: () => number | undefined = () => undefined;
  #server: Server | undefined;
  #port = 0;

  static async start(): Promise<HttpFiles> {
    const server = new HttpFiles();
    await server.up();
    onTestFinished(() => server.down());
    return server;
  }

  /** On the port it had. */
  async up(): Promise<void> {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Breaks all connections. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  url(name: string, user = ''): string {
    return `http://${user}127.0.0.1:${this.#port}/${name}`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const name = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname.slice(1));
    const bytes = this.files.get(name);
    const expected = `Basic ${Buffer.from(this.user).toString('base64')}`;
    const isAllowed = this.user === '' || request.headers.authorization === expected;
    const status = this.status || (isAllowed ? (bytes === undefined ? 404 : 0) : 401);
    if (status > 0 || bytes === undefined) {
      response.writeHead(status).end();
      return;
    }
    const tag = `"${createHash('md5').update(bytes).digest('hex')}"`;
    const headers: Record<string, string> = this.hasTags ? { etag: tag } : {};
    const match = request.headers['if-match'];
    if (match !== undefined && match !== tag) {
      response.writeHead(412, headers).end();
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (!this.hasRanges || from === undefined) this.#send(response, 200, headers, bytes);
    else {
      const [start, end] = [Number(from), Math.min(Number(to) + 1, bytes.length)];
      this.ranges.push(`${start}-${end}`);
      headers['content-range'] = `bytes ${start}-${end - 1}/${bytes.length}`;
      this.#send(response, 206, headers, bytes.subarray(start, end));
    }
  }

  #send(
    response: ServerResponse,
    status: number,
    headers: Record<string, string>,
    body: Buffer,
  ): void {
    const limit = this.breakAfter();
    response.writeHead(status, { ...headers, 'content-length': `${body.length}` });
    const part = body.subarray(0, limit);
    this.bytesSent += part.length;
    response.write(part, () => {
      if (limit === undefined || limit >= body.length) response.end();
      else response.socket?.destroy();
    });
  }
}
