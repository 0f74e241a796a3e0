// The rules of deploy/prometheus/alerts.yml.

import { join } from 'node:path';
import { parse } from 'yaml';
import { readDoc } from '../../docs/markdown.ts';
import { PROJECT } from '../process/stele-process.ts';

export const ALERTS_FILE = join(PROJECT, 'deploy/prometheus/alerts.yml');

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  /** As in `30m`. */
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export function readAlertRules(): AlertRule[] {
  const { groups } = parse(readDoc('deploy/prometheus/alerts.yml')) as {
    readonly groups: readonly { readonly rules: readonly AlertRule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}
