// The metrics of a secured cluster, with a query node: as promtool and docs/metrics.md want them,
// and as a real Prometheus gets them. Every query of the dashboard and of the alert rules is run
// there.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAlertRules } from '../../support/monitoring/alert-rules.ts';
import {
  annotationQueries,
  dashboardQueries,
  readDashboard,
  variableSources,
} from '../../support/monitoring/dashboard.ts';
import { documentedMetrics, metricsIn } from '../../support/monitoring/documented-metrics.ts';
import type { MetricsRole } from '../../support/monitoring/documented-metrics.ts';
import { hasPrometheus, PrometheusServer } from '../../support/monitoring/prometheus-server.ts';
import { complaintsAbout, hasPromtool } from '../../support/monitoring/promtool.ts';
import { pathToFileURL } from 'node:url';
import { ANY_PORTS, flags, SteleProcess, until } from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';

const ROLES: readonly MetricsRole[] = ['master', 'query', 'datanode'];
const TOKEN = 'a-token-of-the-collector';
const KEYS = 200;
/** The window of rates: some scrapes. */
const RATE_INTERVAL = '10s';

const folder = mkdtempSync(join(tmpdir(), 'stele-metrics-'));
const file = (name: string): string => join(folder, name);
const certificate = (name: string): string => file(join('up', 'certs', name));
const processes: SteleProcess[] = [];
/** By role; a datanode of two. */
const ports = new Map<MetricsRole, Addresses>();
let datanodes: Addresses[] = [];

function portOf(role: MetricsRole): Addresses {
  const found = ports.get(role);
  if (found === undefined) throw new Error(`there is no ${role}`);
  return found;
}

async function start(...args: string[]): Promise<SteleProcess> {
  const env = { STELE_METRICS_TOKEN_FILE: file('token'), STELE_AUDIT_LOG: file('audit.log') };
  const process = new SteleProcess(args, { env });
  processes.push(process);
  return process;
}

beforeAll(async () => {
  writeFileSync(file('token'), `${TOKEN}\n`);
  const rows = Array.from({ length: KEYS }, (_, at) => `key-${at} value-${at}\n`);
  writeFileSync(file('rows.data'), rows.join(''));
  const up = await start(
    ...['up', '--secure', ...ANY_PORTS, '--load', `default=${file('rows.data')}`],
    ...flags({ datanodes: 2, shards: 16, 'data-dir': file('up') }),
    ...flags({ 'deep-store': pathToFileURL(file('deep-store')).href }),
  );
  await up.printed(/^ready$/m, 90_000);
  const [master, ...nodes] = up.addresses();
  datanodes = nodes;
  const query = await start(
    ...['query', ...ANY_PORTS, '--auth', 'on'],
    ...flags({ master: `127.0.0.1:${master?.grpc}`, 'tls-ca': certificate('ca.crt') }),
    ...flags({ 'tls-cert': certificate('node.crt'), 'tls-key': certificate('node.key') }),
  );
  await query.printed(/ pid /);
  for (const [at, role] of ROLES.entries()) {
    const found = [master, query.addresses()[0], nodes[0]][at];
    if (found !== undefined) ports.set(role, found);
  }
}, 150_000);

afterAll(async () => {
  await Promise.all(processes.map((process) => process.kill('SIGTERM')));
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

/** The body of a GET over TLS, whatever its status. */
async function fetched(port: number, path: string, authorization?: string): Promise<string> {
  const headers = authorization === undefined ? {} : { authorization };
  const options = { host: '127.0.0.1', port, path, headers, agent: false as const };
  return new Promise((resolve, reject) => {
    get({ ...options, ca: readFileSync(certificate('ca.crt')) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(text)).on('error', reject);
    }).on('error', reject);
  });
}

function scrape(role: MetricsRole): Promise<string> {
  return fetched(portOf(role).http, '/metrics', `Bearer ${TOKEN}`);
}

function admin(): { username: string; password: string } {
  const password = readFileSync(file('up/admin-password'), 'utf8').trim();
  return { username: 'admin', password };
}

/**
 * Reads through every protocol that Redis clients and HTTP clients have, found and not, and is
 * refused once.
 */
async function readSome(single: Redis, cluster: Cluster): Promise<void> {
  const { password, username } = admin();
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const { http } = portOf('master');
  const keys = Array.from({ length: KEYS }, (_, at) => `key-${at}`);
  await Promise.all([
    single.mget(keys),
    single.get('no such key'),
    ...keys.map((key) => cluster.get(key)),
    cluster.get('no such key'),
    fetched(http, '/v1/keyspaces/default/keys/key-1', basic),
    fetched(http, '/v1/keyspaces/default/keys/key-1'),
  ]);
}

/** The types, and the labels of the series that there are. */
function metricsOf(text: string): Map<string, { type: string; labels: Set<string> }> {
  const found = new Map<string, { type: string; labels: Set<string> }>();
  for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    found.set(name, { type, labels: new Set() });
  }
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z]\w+)(?:\{(.*)\})? \S+$/gm)) {
    const base = name.replace(/_(?:bucket|sum|count)$/, '');
    const metric = found.get(name) ?? found.get(base);
    if (metric === undefined) throw new Error(`${name} has no type`);
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label);
    metric.labels.add(
      names
        .filter((label) => label !== 'le')
        .sort()
        .join(', '),
    );
  }
  return found;
}

describe.each(ROLES)('the metrics of a %s', (role) => {
  test.skipIf(!hasPromtool())('are as promtool wants them', async () => {
    expect(await complaintsAbout(await scrape(role))).toBe('');
  });

  test('are those of docs/metrics.md, with their types and labels', async () => {
    const found = metricsOf(await scrape(role));
    const documented = documentedMetrics(role);
    expect([...found.keys()].sort()).toEqual([...documented.keys()].sort());
    for (const [name, { labels, type }] of found) {
      const wanted = documented.get(name);
      expect([name, type]).toEqual([name, wanted?.type]);
      expect([name, [...labels]]).toEqual([
        name,
        labels.size === 0 ? [] : [wanted?.labels.join(', ')],
      ]);
    }
  });
});

describe.skipIf(!hasPrometheus())('Prometheus', () => {
  let prometheus: PrometheusServer;
  let single: Redis;
  let cluster: Cluster;

  beforeAll(async () => {
    const all = [portOf('master'), portOf('query'), ...datanodes];
    prometheus = await PrometheusServer.start(
      all.map(({ host, http }) => `${host}:${http}`),
      {
        scheme: 'https',
        tls_config: { ca_file: certificate('ca.crt') },
        authorization: { credentials_file: file('token') },
      },
    );
    const redis = { ...admin(), tls: { ca: readFileSync(certificate('ca.crt')) } };
    single = new Redis({ ...redis, host: '127.0.0.1', port: portOf('master').resp });
    cluster = new Cluster([{ host: '127.0.0.1', port: portOf('datanode').resp }], {
      redisOptions: redis,
    });
    await until('every process to be scraped', async () => {
      const up = await prometheus.query('up == 1');
      return up.length === all.length;
    });
  }, 120_000);

  afterAll(async () => {
    single.disconnect();
    cluster.disconnect();
    await prometheus.close();
  });

  /** Whether a query has a number among its results. */
  async function hasResult(expr: string): Promise<boolean> {
    const samples = await prometheus.query(expr);
    return samples.some(({ value: [, value] }) => value !== 'NaN');
  }

  test('has a result for every query of the dashboard', async () => {
    let left = dashboardQueries(readDashboard(), RATE_INTERVAL);
    expect(left.length).toBeGreaterThan(60);
    const deadlineAt = performance.now() + 90_000;
    while (left.length > 0 && performance.now() < deadlineAt) {
      await readSome(single, cluster);
      const has = await Promise.all(left.map(({ expr }) => hasResult(expr)));
      left = left.filter((_, at) => has[at] === false);
    }
    expect(left).toEqual([]);
  }, 120_000);

  test('fills the variables of the dashboard, and takes its annotations', async () => {
    for (const { label, metric } of variableSources(readDashboard())) {
      const samples = await prometheus.query(`count by (${label}) (${metric})`);
      const values = samples.map(({ metric: labels }) => labels[label]);
      expect([label, values]).toEqual([label, [label === 'cluster' ? 'main' : 'default']]);
    }
    for (const expr of annotationQueries(readDashboard())) await prometheus.query(expr);
  });

  test('evaluates every alert rule, and none fires in a healthy cluster', async () => {
    const names = readAlertRules()
      .map(({ alert }) => alert)
      .sort();
    await until('the rules to be evaluated', async () =>
      (await prometheus.rules()).every(({ health }) => health !== 'unknown'),
    );
    const rules = await prometheus.rules();
    const bad = rules.filter(({ health }) => health !== 'ok');
    expect(bad).toEqual([]);
    expect(rules.map(({ name }) => name).sort()).toEqual(names);
    const firing = await prometheus.query('ALERTS{alertstate="firing"}');
    expect(firing.map(({ metric }) => metric)).toEqual([]);
    // A rule about series that are never there would be quiet for ever.
    const asked = readAlertRules().flatMap(({ expr }) => metricsIn(expr));
    const series = documentedMetrics();
    for (const name of new Set(asked)) {
      const suffix = series.get(name)?.type === 'histogram' ? '_bucket' : '';
      const samples = await prometheus.query(`${name}${suffix}`);
      // Only a defect makes a fault.
      if (name !== 'stele_faults_total') expect([name, samples]).not.toEqual([name, []]);
    }
  });
});
