// Whether the process of this container lives: the health check of the image. Exits with 0 if it
// does.
//
// It asks /livez of the HTTP port: that of STELE_HTTP_PORT, or else those of a master and of a
// datanode, at any address of the container, with TLS first if STELE_TLS_CERT is set. Liveness, not
// readiness: an engine may end a container that is unhealthy, and one that verifies its segments is
// not.

import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { networkInterfaces } from 'node:os';

const DEADLINE_MS = 2000;
const DEFAULT_PORTS = [9000, 9001];

const { STELE_HTTP_PORT: given, STELE_TLS_CERT: certificate } = process.env;
const ports = Number(given) > 0 ? [Number(given)] : DEFAULT_PORTS;
const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
const outer = own.filter(({ internal, scopeid }) => !internal && !scopeid);
const hosts = ['127.0.0.1', '::1', ...outer.map(({ address }) => address)];

/** Resolves to whether the process answers. Its certificate is for the names that others dial. */
function answers(get, host, port) {
  return new Promise((resolve) => {
    const options = { host, port, path: '/livez', timeout: DEADLINE_MS, rejectUnauthorized: false };
    const request = get(options, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
    request.on('close', () => resolve(false));
  });
}

for (const get of certificate ? [getHttps, getHttp] : [getHttp, getHttps]) {
  for (const host of hosts) {
    for (const port of ports) if (await answers(get, host, port)) process.exit(0);
  }
}
const where = `port ${ports.join(' or ')} of ${hosts.join(', ')}`;
process.stderr.write(`nothing answers /livez at ${where}\n`);
process.exit(1);
