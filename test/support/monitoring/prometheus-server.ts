// A real Prometheus that scrapes a cluster of a test, with the settings of
// deploy/prometheus/prometheus.yml.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { freePorts } from '../../../transport/listen.ts';
import { readDoc } from '../../docs/markdown.ts';
import { until } from '../process/stele-process.ts';
import { guard, removeAtEnd, unguard } from '../process/watchdog.ts';
import { hasTool } from '../tools.ts';
import { ALERTS_FILE } from './alert-rules.ts';

/** Whether Prometheus is installed; says so if not (tools.ts). */
export function hasPrometheus(): boolean {
  return hasTool('prometheus', 'prometheus');
}

interface ScrapeJob {
  static_configs: { targets: string[]; labels: Record<string, string> }[];
  [setting: string]: unknown;
}

interface Settings {
  global: Record<string, string>;
  rule_files: string[];
  scrape_configs: ScrapeJob[];
}

/** A result of a query: a series and its value now. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [atSeconds: number, value: string];
}

export interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

export class PrometheusServer {
  readonly #origin: string;
  readonly #folder: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#origin = `http://127.0.0.1:${port}`;
    this.#child = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child.stderr?.on('data', (text: Buffer) => (this.#output += text.toString()));
    guard(this.#child.pid ?? -1);
  }

  /**
   * Scrapes the HTTP ports in `targets` once a second. `secured` are the settings that the example
   * has as comments.
   */
  static async start(
    targets: readonly string[],
    secured: Readonly<Record<string, unknown>> = {},
  ): Promise<PrometheusServer> {
    const folder = mkdtempSync(join(tmpdir(), 'stele-prometheus-'));
    removeAtEnd(folder);
    const settings = parse(readDoc('deploy/prometheus/prometheus.yml')) as Settings;
    settings.global = { scrape_interval: '1s', evaluation_interval: '1s' };
    settings.rule_files = [ALERTS_FILE];
    const [job] = settings.scrape_configs;
    const [static_] = job?.static_configs ?? [];
    if (job === undefined || static_ === undefined) throw new Error('the example has no job');
    static_.targets = [...targets];
    Object.assign(job, secured);
    writeFileSync(join(folder, 'prometheus.yml'), stringify(settings));
    const [port = 0] = await freePorts('127.0.0.1', 1);
    const server = new PrometheusServer(folder, port);
    await until('Prometheus to be ready', () => server.#isReady(), 60_000);
    return server;
  }

  /** The series of a query now. Throws with Prometheus' words if it is not valid. */
  async query(expr: string): Promise<Sample[]> {
    const { result } = await this.#get<{ result: Sample[] }>(
      `/api/v1/query?query=${encodeURIComponent(expr)}`,
    );
    return result;
  }

  async rules(): Promise<RuleState[]> {
    const { groups } = await this.#get<{ groups: { rules: RuleState[] }[] }>('/api/v1/rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'close');
    }
    unguard(this.#child.pid ?? -1);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #get<Data>(path: string): Promise<Data> {
    const response = await fetch(this.#origin + path);
    const answer = (await response.json()) as { status: string; data: Data; error?: string };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  async #isReady(): Promise<boolean> {
    if (this.#child.exitCode !== null) {
      throw new Error(`Prometheus does not start: ${this.#output}`);
    }
    try {
      return (await fetch(`${this.#origin}/-/ready`)).ok;
    } catch {
      return false;
    }
  }
}
