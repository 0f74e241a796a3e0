// What is about this process alone: /livez, /readyz, /metrics, /v1/audit. Available from the first
// moment.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { auditAnswer } from '../../../access/audit/audit-answer.ts';
import type { Audit } from '../../../access/audit/audit.ts';
import { visibleMetrics, visibleView } from '../../../access/visible.ts';
import { shorten } from '../../../base/ids.ts';
import { unknownScope } from '../../../base/problem.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type { ViewSource } from '../../../proto/operations.ts';
import type { FrontMetrics } from '../metrics.ts';
import { subjectOf } from './route-access.ts';
import { RESPONSES, queryOf } from './schemas.ts';
import { healthWord, isAnswering, shardsText } from '../../../proto/view-words.ts';

export interface ProcessRoutesOptions {
  readonly views: ViewSource;
  readonly metrics: FrontMetrics;
  /** True once the process is shutting down and therefore not ready. */
  readonly closing: () => boolean;
  /** Further lines of /readyz?verbose. */
  readonly notes: () => readonly string[];
  /** Undefined: nothing is recorded. */
  readonly audit?: Audit | undefined;
}

type ReadyRequest = FastifyRequest<{
  Querystring: { verbose?: string; keyspace?: string; scope?: string };
}>;
type Check = readonly [name: string, passed: boolean];

/** Maximum number of keyspaces listed by ?verbose. */
const KEYSPACES_NAMED_MAX = 50;

/** Registers /livez, /readyz, /metrics and /v1/audit. */
export function processRoutes(app: FastifyInstance, options: ProcessRoutesOptions): void {
  const tags = ['process'];
  app.get(
    '/livez',
    { schema: { tags, summary: 'The process runs', response: RESPONSES.alive } },
    async (_, reply) => reply.type('text/plain').send('ok\n'),
  );
  app.get(
    '/readyz',
    {
      schema: {
        tags,
        summary: '200 when every shard can be read, 503 otherwise; ?verbose, ?keyspace=NAME',
        querystring: queryOf({
          verbose: 'Says what was looked at, and names keyspaces and shards without a replica',
          keyspace: 'Looks at this keyspace alone',
          scope: 'Only `cluster`, which is what a master looks at: a datanode has its own',
        }),
        response: RESPONSES.ready,
      },
    },
    async (request: ReadyRequest, reply) => {
      const { scope } = request.query;
      if (scope !== undefined && scope !== 'cluster') throw unknownScope();
      const seen = visibleView(subjectOf(request), options.views.current());
      const checks = readinessChecks(options, seen, request.query.keyspace);
      const ready = checks.every(([, passed]) => passed);
      const verbose = request.query.verbose !== undefined;
      const lines = verbose
        ? checks.map(([name, passed]) => `[${passed ? '+' : '-'}] ${name}`)
        : [];
      lines.push(ready ? 'ok' : 'not ready');
      return reply
        .code(ready ? 200 : 503)
        .type('text/plain')
        .send(`${lines.join('\n')}\n`);
    },
  );
  app.get(
    '/metrics',
    { schema: { tags, summary: 'Prometheus text format', response: RESPONSES.metrics } },
    async (request, reply) => {
      const text = visibleMetrics(subjectOf(request), await options.metrics.text());
      return reply.header('content-type', options.metrics.contentType).send(text);
    },
  );
  app.get(
    '/v1/audit',
    {
      schema: {
        tags,
        summary: 'Changes and refused attempts at the doors of this process, the newest first',
        querystring: queryOf({
          limit: 'from 1 to 1000; 100',
          user: 'only of this user',
          keyspace: 'only about this keyspace',
        }),
        response: RESPONSES.audit,
      },
    },
    async (request) => auditAnswer(options.audit, request.query),
  );
}

function readinessChecks(
  { closing, notes, views }: ProcessRoutesOptions,
  view: ClusterView,
  keyspace: string | undefined,
): Check[] {
  const serving = view.nodes.filter((node) => isAnswering(node.state)).length;
  const checks: Check[] = [
    ['not shutting down', !closing()],
    [`datanodes serving: ${serving} of ${view.nodes.length}`, serving > 0],
  ];
  for (const note of notes()) checks.push([note, true]);
  // Others get the view: a load balancer should prefer them.
  if (views.isCurrent?.() === false) checks.push(['the views of the leader arrive', false]);
  if (keyspace !== undefined) return [...checks, keyspaceCheck(view, keyspace)];
  checks.push([
    `every shard has a verified replica (health ${healthWord(view.health)})`,
    view.ready,
  ]);
  const partial = view.keyspaces.filter(({ unserved }) => unserved !== undefined);
  for (const { name } of partial.slice(0, KEYSPACES_NAMED_MAX)) {
    checks.push(keyspaceCheck(view, name));
  }
  return checks;
}

function keyspaceCheck(view: ClusterView, name: string): Check {
  const keyspace = view.keyspaces.find((one) => one.name === name);
  if (keyspace === undefined) return [`keyspace ${shorten(name)}: there is none`, false];
  if (keyspace.suspended === true) return [`keyspace ${name}: suspended`, false];
  if (keyspace.currentVersion === 0) return [`keyspace ${name}: nothing committed yet`, false];
  const { unserved } = keyspace;
  if (unserved === undefined) return [`keyspace ${name}: every shard has a verified replica`, true];
  return [`keyspace ${name}: no replica of shards ${shardsText(unserved)}`, false];
}
