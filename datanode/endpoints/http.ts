// A datanode over HTTP: /livez, /readyz, /metrics, lookups (lookup-connection.ts) and segments (segment-upgrade.ts).
//
// Headers have a timeout, a silent connection has one, and no route reads a body.

import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { MetricSet } from '../../base/metrics.ts';
import {
  missingHost,
  PROBLEM_TYPE,
  problemOf,
  steleErrorOfRequest,
  unknownScope,
} from '../../base/problem.ts';
import { exportedBoundsMs } from '../../base/latency.ts';
import type { Datanode } from '../node.ts';
import { notReadyReason, readinessChecks } from './readiness.ts';
import { answerBatch, readsIn } from '../reads/lookup-batch.ts';
import { lookupUpgrade } from '../reads/lookup-connection.ts';
import { segmentUpgrade } from '../transfer/segment-upgrade.ts';
import { acceptUpgrades } from '../../transport/upgrades.ts';

const SILENT_MS_MAX = 10_000;
/** Node.js looks this often for headers that are late; its default would make it up to 40 s. */
const CHECK_MS = 5000;

type ReadyRequest = FastifyRequest<{ Querystring: { verbose?: string; scope?: string } }>;

export interface DatanodeHttpOptions {
  readonly node: Datanode;
  readonly host: string;
  readonly port: number;
  /** Connections of lookups at a time. */
  readonly connectionsMax: number;
  readonly respConnections: () => number;
}

/** Opens the port; returns the one it got and how to close it. */
export async function startDatanodeHttp(
  options: DatanodeHttpOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const { node } = options;
  const metrics = metricsOf(options);
  const app = fastify({
    connectionTimeout: SILENT_MS_MAX,
    requestTimeout: 0,
    http: {
      requireHostHeader: false,
      headersTimeout: SILENT_MS_MAX,
      connectionsCheckingInterval: CHECK_MS,
    },
    keepAliveTimeout: 60_000,
    forceCloseConnections: true,
    bodyLimit: 1024,
  });
  refuseInWords(app);
  app.get('/livez', () => ({ status: 'ok', node: node.identity.nodeId }));
  app.get('/readyz', (request: ReadyRequest, reply) => {
    const { scope, verbose } = request.query;
    if (scope !== undefined && scope !== 'cluster') throw unknownScope();
    const checks = readinessChecks(node, scope === 'cluster');
    const failed = checks.find(({ passed }) => !passed);
    void reply.status(failed === undefined ? 200 : 503);
    if (verbose !== undefined) {
      const lines = checks.map(({ passed, text }) => `[${passed ? '+' : '-'}] ${text}`);
      lines.push(failed === undefined ? 'ok' : 'not ready', '');
      return reply.type('text/plain').send(lines.join('\n'));
    }
    if (failed === undefined) return { status: 'ready', node: node.identity.nodeId };
    return reply.send({ status: 'not ready', reason: notReadyReason(node) ?? failed.text });
  });
  app.get('/metrics', async (_, reply) => {
    return reply.type(metrics.contentType).send(await metrics.text());
  });
  // Lookups count as well, and never leave none for health and metrics.
  app.server.maxConnections = 2 * options.connectionsMax;
  const cutOff = acceptUpgrades(app.server, [
    segmentUpgrade({
      admit: (announced) => node.receiving.admit(announced),
      pace: (byteCount) => node.brake.take(byteCount),
      give: (wish) => node.outgoing(wish),
    }),
    lookupUpgrade(
      {
        expect: (nodeId) => node.identity.expect(nodeId, ''),
        answer: (request, into) => answerBatch(request, node, into),
        onAnswered: (request, tookMs) =>
          node.counters.latency.lookups.record(tookMs, readsIn(request)),
      },
      options.connectionsMax,
    ),
  ]);
  const port = await listen(app, options.host, options.port);
  return {
    port,
    close: async () => {
      cutOff();
      await app.close();
    },
  };
}

function refuseInWords(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const unnamed = missingHost(request.raw);
    if (unnamed === undefined) done();
    else void sendProblem(reply, unnamed);
  });
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} ${shorten(request.url)} on a datanode; it has /livez, /readyz and /metrics.`;
    return sendProblem(reply, new SteleError('NOT_FOUND', detail));
  });
  app.setErrorHandler((thrown, _, reply) => sendProblem(reply, steleErrorOfRequest(thrown)));
}

function sendProblem(reply: FastifyReply, error: SteleError): FastifyReply {
  const problem = problemOf(error, reply.request.id);
  // Serialised here: fastify would add a charset that problem+json does not have.
  const body = Buffer.from(JSON.stringify(problem));
  return reply.code(problem.status).header('content-type', PROBLEM_TYPE).send(body);
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EADDRINUSE') throw toSteleError(thrown, 'IO');
    throw new SteleError(
      'PORT_IN_USE',
      `Something already listens on ${host}:${port}; stop it, or choose another port with --http-port (0 picks a free one).`,
      { cause: thrown },
    );
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function metricsOf({ node, respConnections }: DatanodeHttpOptions): MetricSet {
  const set = new MetricSet('datanode');
  const { brake, cluster, counters, holdings, limits, merger } = node;
  set.value('stele_segments', 'Segments held', () => holdings.count);
  set.value('stele_segment_bytes', 'Bytes of segments held', () => holdings.segmentBytes);
  set.value(
    'stele_segments_not_loaded',
    'Segments left on disk at the start because they are above the memory limit',
    () => node.notLoadedTotal,
  );
  set.value('stele_memory_limit_bytes', 'Bytes of segments allowed', () => limits.memoryMaxBytes);
  set.value('stele_lookups_total', 'Keys looked up since the start', () => counters.lookups);
  set.times(
    'stele_read_seconds',
    'Time from the beginning of the turn (RESP) or batch that a read came with until all of it was answered; a read is a key',
    exportedBoundsMs,
    () => Object.entries(counters.latency).map(([protocol, times]) => [{ protocol }, times]),
  );
  set.value('stele_quarantined_total', 'Segments found corrupt', () => node.quarantinedTotal);
  scrubMetrics(set, node);
  set.value('stele_merges_total', 'Shards whose deltas were merged', () => merger.doneTotal);
  set.value('stele_merges_waiting', 'Merges queued or running', () => merger.waiting);
  set.value(
    'stele_intake_limit_bytes_per_second',
    'What incoming segments are limited to, so that readers need not wait; 0: not limited',
    () => (Number.isFinite(brake.bytesPerSecond) ? brake.bytesPerSecond : 0),
  );
  set.value('stele_resp_connections', 'RESP clients connected', respConnections);
  set.value(
    'stele_view_age_seconds',
    'Time since the view in force was last known to be the present one of the master',
    () => node.contact.viewAgeMs(monotonicNowMs()) / 1000,
  );
  set.value(
    'stele_view_stale',
    '1 while the master is not heard, or its view is not taken, and reads are answered by an older one; otherwise 0',
    () => Number(node.contact.isStale(monotonicNowMs())),
  );
  set.value('stele_view_epoch', 'Epoch of the view in force', () => cluster.view?.epoch ?? 0);
  return set;
}

function scrubMetrics(set: MetricSet, { scrubber }: Datanode): void {
  set.value(
    'stele_scrubbed_bytes_total',
    'Bytes verified in the background, in memory and on disk',
    () => scrubber.stats.bytes,
  );
  set.value(
    'stele_scrub_last_pass_timestamp_seconds',
    'When everything held had last been verified; 0: not yet',
    () => scrubber.stats.lastPassUnixMs / 1000,
  );
  set.value('stele_scrub_found_total', 'Bad copies found', () => scrubber.stats.found);
  set.value(
    'stele_scrub_repaired_total',
    'Bad copies made good from the other copy of this node',
    () => scrubber.stats.repaired,
  );
}
