// Malformed HTTP conversations from a seed. None of them asks for a change that could be carried
// out: drops and moves name things that do not exist.

import { Mutator } from './mutations.ts';

const KEYS = [
  ...['key-1', '%6Bey-1', 'key-1%', '%', '%0', '%zz', '%00%ff', '%c3%28', '%F0%9F%98%80', ''],
  ...['..%2f..%2fetc', '../../etc/passwd', '//', '?', '#', 'a?version=1', 'x'.repeat(70_000)],
  ...['__proto__', 'constructor', '\u00ff\u00fe', 'a b', '\'"<>', '%2B+', 'key-2?version=2'],
];
const TARGETS = [
  ...['/', '*', '', '//', '/v1', '/v1/', 'http://a.b/livez', 'no-slash', '/\u0000', '/%', '/..;/'],
  ...['/livez', '/readyz', '/readyz?verbose', '/v1/nodes', '/v1/shards', '/v1/keyspaces'],
  ...['/v1/keyspaces/default', '/v1/keyspaces/%ff', '/v1/keyspaces/default/versions', '/metrics'],
  ...['/v1/cluster/health?wait_for_status=green&timeout=1ms', '/docs/json', '/docs/static/../..'],
  ...['/v1/cluster/health?wait_for_status=mauve', '/v1/cluster/health?timeout=-1', '/internal'],
  ...['/v1/keyspaces/default/keys/a?version=-1', '/v1/keyspaces/default/keys/a?version=9e99'],
  ...['/v1/loads?keyspace=%', '/v1/loads/nowhere', '/v1/keyspaces/default/diff?from=1&to=x'],
  ...['/segments', '/v1/segments', `/${'a/'.repeat(2000)}`, `/?${'a=b&'.repeat(3000)}`],
];
const METHODS = [
  'HEAD',
  'PUT',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
  'get',
  'G\0T',
  'X'.repeat(99),
];
const VERSIONS = ['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'HTTP/1.', 'http/1.1', 'ICY', ''];
const HEADERS = [
  ...['Host: ', 'Host: a\r\nHost: b', 'No-Colon', ': empty', 'A : b', 'A\0: b', 'A: \0', ' folded'],
  ...['Connection: close', 'Connection: keep-alive, Upgrade', 'Connection: \u00ff', 'TE: trailers'],
  ...[
    'Upgrade: websocket\r\nConnection: Upgrade',
    'Upgrade: stele-segments\r\nConnection: Upgrade',
  ],
  ...['Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__'],
  ...[
    'Expect: 100-continue',
    'Expect: something',
    'If-None-Match: *',
    'If-None-Match: "',
    'If-None-Match: W/"1"',
  ],
  ...[
    'Accept: application/json',
    'Accept: ;;;q=x',
    'Accept-Encoding: gzip, br',
    'Range: bytes=9-1',
  ],
  ...[
    'Content-Encoding: gzip',
    'Content-Type: text/plain',
    'Content-Type: application/json; charset=\u0001',
  ],
  ...['Content-Length: -1', 'Content-Length: 1e3', 'Content-Length: +5', 'Content-Length: 0x10'],
  ...['Content-Length: 99999999999999999999', 'Content-Length: 17000000', 'Content-Length: 5, 5'],
  ...['Content-Length: 5\r\nContent-Length: 6', 'Content-Length: 5\r\nTransfer-Encoding: chunked'],
  ...[
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: x',
  ],
  ...[
    '__proto__: 1',
    'X-Forwarded-For: 1.2.3.4',
    `Cookie: ${'c=d; '.repeat(5000)}`,
    'A: b\r\n'.repeat(3000) + 'C: d',
  ],
];
const JSON_TYPE = 'Content-Type: application/json';
const BODIES = [
  ...[
    '{"keys":["key-1","key-2","none"]}',
    '{"keys":["a2V5LTE="],"encoding":"base64"}',
    '{"keys":[]}',
  ],
  ...[
    '{"keys":["key-1"],"version":99}',
    '{"keys":["key-1"],"version":1.5}',
    '{"keys":["a"],"x":1}',
  ],
  ...[
    '{"keys":[1,null,{}]}',
    '{"keys":"key-1"}',
    '{"keys":["$$$"],"encoding":"base64"}',
    '[]',
    'null',
  ],
  ...[
    '{"keys":["a"],"encoding":"rot13"}',
    '{"__proto__":{"keys":["a"]}}',
    '{"keys":["\\ud800"]}',
    '{',
  ],
  ...['{"constructor":{"prototype":{}},"keys":["a"]}', '\u00ff\u00fe{}', '', '0', '"'.repeat(999)],
  ...['['.repeat(20_000), '{"keys":'.repeat(5000), '{"a":1e999}', '{"keys":["a"],"keys":["b"]}'],
  ...[
    `{"keys":[${'"a",'.repeat(10_000)}"a"]}`,
    `{"keys":["${'k'.repeat(70_000)}"]}`,
    `"${'\\u0000'.repeat(3000)}"`,
  ],
];
const CHUNK_SIZES = [
  ...['0', '-1', 'ffffffffffffffff', '7fffffff', 'zz', '', ' 5', '5 ', '5;a=b', '00005', '+5'],
  ...[`5;${'e'.repeat(20_000)}`, `${'0'.repeat(500)}5`, '5\n', '1000000'],
];

export class HttpMutator extends Mutator {
  /** One to three requests, each with something invalid. */
  conversation(): Buffer {
    const requests = Array.from({ length: 1 + this.below(3) }, () => this.#request());
    const bytes = Buffer.from(requests.join(''), 'latin1');
    return this.chance(3) ? this.withWrongBytes(bytes) : bytes;
  }

  #request(): string {
    if (this.chance(3)) return this.#lookup();
    const method = this.chance(10) ? this.pick(METHODS) : 'GET';
    return this.#head(method, this.#target(), this.#someHeaders()) + '\r\n';
  }

  #target(): string {
    if (this.chance(2)) return this.pick(TARGETS);
    const key = this.pick(KEYS);
    return this.pick([
      `/v1/keyspaces/default/keys/${key}`,
      `/get?keyspace=default&key=${key}`,
      `/v1/explain/default/${key}`,
      `/v1/keyspaces/${key}/keys/key-1`,
    ]);
  }

  #head(method: string, target: string, headers: readonly string[]): string {
    const version = this.chance(20) ? this.pick(VERSIONS) : 'HTTP/1.1';
    const host = this.chance(20) ? [] : ['Host: localhost'];
    return [`${method} ${target} ${version}`, ...host, ...headers, ''].join('\r\n');
  }

  #someHeaders(): string[] {
    return this.chance(2) ? [] : Array.from({ length: this.below(3) }, () => this.pick(HEADERS));
  }

  #lookup(): string {
    const body = this.pick(BODIES);
    const keyspace = this.chance(5) ? this.pick(KEYS) : 'default';
    const headers = [...(this.chance(4) ? this.#someHeaders() : []), JSON_TYPE];
    const chunked = this.chance(2);
    headers.push(chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`);
    const head = this.#head('POST', `/v1/keyspaces/${keyspace}/lookup`, headers);
    return `${head}\r\n${chunked ? this.#chunks(body) : body}`;
  }

  /** The body in chunks; one in three has a wrong size, end or trailer. */
  #chunks(body: string): string {
    const at = this.below(body.length + 1);
    const pieces = [body.slice(0, at), body.slice(at)].filter((piece) => piece !== '');
    const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
    if (this.chance(3)) {
      chunks.splice(this.below(chunks.length + 1), 0, `${this.pick(CHUNK_SIZES)}\r\nhello\r\n`);
    }
    const trailer = this.chance(4) ? `${this.pick(HEADERS)}\r\n` : '';
    return `${chunks.join('')}0\r\n${trailer}\r\n`;
  }
}
