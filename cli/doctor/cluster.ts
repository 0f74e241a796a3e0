// The cluster as seen from here: each master, each port of each datanode, the login, and the
// clocks.

import { hostAndPort } from '../../base/address.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { GetHealthResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { healthWord } from '../../proto/view-words.ts';
import { dial, establishedEvent } from '../../transport/dial.ts';
import { dialReason } from '../../transport/tls/dial-errors.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { sentenceOf } from '../exit.ts';
import { withAdmin } from '../with-admin.ts';
import type { ConnectSettings } from '../with-admin.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const CONNECT_MS_MAX = 2_000;
const SKEW_MS_WARN = 2_000;
const SKEW_MS_FAIL = 60_000;

/** `isAsked`: somebody has named the masters, so it is a failure if they do not answer. */
export async function checkCluster(
  settings: ConnectSettings,
  isAsked: boolean,
  tls: TlsIdentity | undefined,
): Promise<Finding[]> {
  const masters = await Promise.all(
    settings.master.split(',').map((master) => checkMaster({ ...settings, master }, isAsked)),
  );
  const health = masters.find((one) => one.health !== undefined)?.health;
  const findings = masters.map(({ finding }) => finding);
  if (health === undefined) return findings;
  const nodes = health.nodes.flatMap(({ node }) => node ?? []);
  const ofNodes = await Promise.all(nodes.map((node) => checkNode(node, tls)));
  return [...findings, healthFinding(health), ...ofNodes.flat()];
}

/** Whether a master answers, and the health that it reports. */
export async function checkMaster(
  settings: ConnectSettings,
  isAsked: boolean,
): Promise<{ finding: Finding; health?: GetHealthResponse }> {
  const check = `master ${settings.master}`;
  const startedMs = performance.now();
  try {
    const health = await withAdmin(settings, (admin) =>
      admin.getHealth({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 }),
    );
    const text = `answers, after ${Math.round(performance.now() - startedMs)} ms`;
    return { finding: ok(check, text), health };
  } catch (thrown) {
    const error = toSteleError(thrown);
    const text = sentenceOf(error);
    if (isRefusal(error)) {
      const advice =
        'Check --user and --password-file, or the rights of that user (`stele user show`).';
      return { finding: fail(check, text, advice) };
    }
    if (isAsked)
      return { finding: fail(check, text, 'Check the address, and that it runs there.') };
    return {
      finding: warn(
        check,
        'nothing runs there',
        'Start a cluster with `stele up`, or name its masters with --master.',
      ),
    };
  }
}

function isRefusal({ code }: SteleError): boolean {
  return code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED';
}

function healthFinding(health: GetHealthResponse): Finding {
  const word = healthWord(health.status);
  const text = [word, ...health.reasons].join('; ');
  if (health.status === HealthStatus.GREEN) return ok('health', text);
  const advice = '`stele status` and `stele events` say what is wrong and what is being done.';
  return health.status === HealthStatus.RED
    ? fail('health', text, advice)
    : warn('health', text, advice);
}

async function checkNode(node: NodeView, tls: TlsIdentity | undefined): Promise<Finding[]> {
  const check = `datanode ${node.id}`;
  const { address } = node;
  if (node.state === NodeState.DOWN || address === undefined) {
    return [warn(check, 'is down', `Start it, or remove it (\`stele node remove ${node.id}\`).`)];
  }
  const { grpcPort, host, httpPort, respPort } = address;
  const reached = await Promise.all(
    [httpPort, respPort, grpcPort].map((port) => connectError(host, port, tls)),
  );
  const [reason] = reached.filter((error) => error !== undefined);
  if (reason !== undefined) {
    const text = `is not reachable from here: ${reason}`;
    const advice =
      'Clients of a cluster connect to datanodes: open the way, or announce another address (--announce-host).';
    return [fail(check, text, advice)];
  }
  const ports = [httpPort, respPort, grpcPort].join(', ');
  return [
    ok(check, `is reachable at ${host}, ports ${ports}`),
    ...(await clock(check, host, httpPort, tls)),
  ];
}

/** Why no connection can be made; undefined if it can. */
function connectError(
  host: string,
  port: number,
  tls: TlsIdentity | undefined,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const name = hostAndPort(host, port);
    const socket = dial(host, port, { tls });
    const end = (reason?: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason === undefined ? undefined : `${name} (${reason})`);
    };
    const timer = setTimeout(() => end('no answer'), CONNECT_MS_MAX);
    socket.on('error', (error) => end(dialReason(error)));
    socket.once(establishedEvent(tls), () => end());
  });
}

async function clock(
  check: string,
  host: string,
  port: number,
  tls: TlsIdentity | undefined,
): Promise<Finding[]> {
  const beganMs = Date.now();
  const theirs = await dateOf(host, port, tls);
  if (theirs === undefined) return [];
  // The header has whole seconds: on average half a second has passed since.
  const skewMs = theirs + 500 - (beganMs + Date.now()) / 2;
  return [clockFinding(check.replace('datanode', 'clock of'), skewMs)];
}

export function clockFinding(check: string, skewMs: number): Finding {
  const seconds = Math.abs(skewMs / 1000).toFixed(1);
  const text = `${seconds} s ${skewMs < 0 ? 'behind' : 'ahead of'} this machine`;
  if (Math.abs(skewMs) < SKEW_MS_WARN) return ok(check, 'agrees with this machine');
  const advice =
    'Synchronise the clocks (chrony, systemd-timesyncd): times in events and certificates depend on them.';
  return Math.abs(skewMs) < SKEW_MS_FAIL ? warn(check, text, advice) : fail(check, text, advice);
}

/** The header Date of an answer, in Unix time; undefined if there is none in time. */
function dateOf(
  host: string,
  port: number,
  tls: TlsIdentity | undefined,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = dial(host, port, { tls });
    let head = '';
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      const date = Date.parse(/^date: *(.+)$/im.exec(head)?.[1] ?? '');
      resolve(Number.isNaN(date) ? undefined : date);
    };
    const timer = setTimeout(end, CONNECT_MS_MAX);
    socket.on('error', end);
    socket.on('close', end);
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1');
      if (head.includes('\r\n\r\n')) end();
    });
    socket.write(
      `GET /livez HTTP/1.1\r\nHost: ${hostAndPort(host, port)}\r\nConnection: close\r\n\r\n`,
    );
  });
}
