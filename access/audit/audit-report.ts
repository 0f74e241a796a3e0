// What a process tells of its audit log: metrics, and a line for /readyz?verbose.

import type { MetricSet } from '../../base/process/metrics.ts';
import type { Audit } from './audit.ts';

/** Adds the metrics to `set`; none without an audit log. */
export function defineAuditMetrics(set: MetricSet, audit: Audit | undefined): void {
  if (audit === undefined) return;
  set.series(
    'stele_refused_total',
    'Attempts that were refused because nobody was logged in, or a right was missing',
    () => [...audit.refused].map(([door, count]) => [{ door }, count]),
  );
  const { sink } = audit;
  if (sink === undefined) return;
  set.value(
    'stele_audit_lines_lost_total',
    'Lines that could not be written to the audit log',
    () => sink.lostTotal,
  );
  set.value('stele_audit_log_failed', '1 while the audit log cannot be written; otherwise 0', () =>
    Number(sink.trouble !== undefined),
  );
}

/** The trouble with the audit log, for people; undefined if there is none. */
export function auditText(audit: Audit | undefined): string | undefined {
  const trouble = audit?.sink?.trouble;
  return trouble === undefined
    ? undefined
    : `trouble: the audit log cannot be written (${trouble}); its lines are lost until it can`;
}
