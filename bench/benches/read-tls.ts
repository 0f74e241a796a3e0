// The same as `read` with TLS at both servers: GET directly from a datanode, compared with
// redis-server.

import { join } from 'node:path';
import { defineBench, REDIS_BENCHMARK, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import { stele, tempFolder } from '../support/processes.ts';
import { compare, comparedTable, GET, KEY_BYTES, Pair, VALUE_BYTES } from '../support/redis.ts';
import type { TlsFiles } from '../support/redis.ts';

/**
 * An authority and a certificate, which all processes of Stele that this one starts use as well.
 */
function makeCertificates(): TlsFiles {
  const folder = tempFolder();
  stele('certs', 'init', '--dir', folder);
  stele('certs', 'node', '127.0.0.1', 'localhost', '--dir', folder);
  const files = {
    ca: join(folder, 'ca.crt'),
    cert: join(folder, 'node.crt'),
    key: join(folder, 'node.key'),
  };
  const { ca, cert, key } = files;
  Object.assign(process.env, { STELE_TLS_CA: ca, STELE_TLS_CERT: cert, STELE_TLS_KEY: key });
  return files;
}

export const bench = defineBench({
  about: 'GET directly from a datanode with TLS; redis-benchmark with 50 connections',
  needs: [REDIS_SERVER, REDIS_CLI, REDIS_BENCHMARK],
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 7, short: 1 },
    operations: { whole: 1_000_000, short: 20_000 },
  },
  async run({ operations, rounds, rows }) {
    const pair = await Pair.start(rows, VALUE_BYTES, makeCertificates());
    const servers = [pair.redisServer, pair.datanodeServer];
    const tableRows = [1, 16, 128].flatMap((pipeline) => {
      const part = pipeline === 1 ? 1 / 8 : 1;
      const work = { title: `GET, pipeline ${pipeline}`, pipeline, keys: rows, command: GET };
      return compare({ ...work, operations: Math.ceil(operations * part) }, servers, rounds);
    });
    const caption = `TLS 1.3, keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes; medians of the rounds.`;
    return [comparedTable(caption, tableRows)];
  },
});
