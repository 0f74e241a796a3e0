// What a backup, a restore and an export print at their end.

import { listNames } from '../../base/ids.ts';
import { formatBytes } from '../../base/units.ts';
import type { BackupSummary } from '../../loader/backup/backup.ts';
import type { ArchiveReport } from '../../loader/backup/verify-archive.ts';
import type { ListedSnapshot } from '../../loader/backup/list-snapshots.ts';
import type { ExportSummary } from '../../loader/export/export.ts';
import type { RestoreSummary } from '../../loader/restore/restore.ts';
import { formatCount, formatTable } from '../text-table.ts';
import { counted } from '../words.ts';

const NEEDED_BY_SHOWN_MAX = 3;

export function backupText(summary: BackupSummary): string {
  const { copied, dryRun, keyspaces, present, requests, seconds, snapshot } = summary;
  const rows = keyspaces.map(({ currentVersion, digest, name, records, versions }) => [
    name,
    versions.join(', ') || '-',
    currentVersion === 0 ? '-' : String(currentVersion),
    formatCount(records),
    digest || '-',
  ]);
  const columns = [
    { title: 'KEYSPACE' },
    { title: 'VERSIONS' },
    { title: 'CURRENT', align: 'right' },
    { title: 'RECORDS', align: 'right' },
    { title: 'DIGEST' },
  ] as const;
  const lines = keyspaces.length === 0 ? ['No keyspaces.'] : [formatTable(columns, rows), ''];
  lines.push(
    `${dryRun ? 'to copy ' : 'copied  '}  ${counted(copied.objects, 'segment')}, ${formatBytes(copied.bytes)}`,
    `there     ${counted(present.objects, 'segment')}, ${formatBytes(present.bytes)}`,
  );
  if (dryRun)
    lines.push(`requests  ${formatCount(requests)} to write them`, 'Nothing was changed.');
  else lines.push(`time      ${seconds.toFixed(2)} s`, `snapshot  ${snapshot}`);
  return lines.join('\n');
}

export function restoreText(summary: RestoreSummary): string {
  const { dryRun, keyspaces, seconds, snapshot } = summary;
  const rows = keyspaces.map(({ bytes, name, segments, target, versions, way }) => [
    name === target ? name : `${name} as ${target}`,
    way === 'there' ? 'there already' : `as ${way}`,
    versions.map(({ version, was }) => numberText(was, version)).join(', ') || '-',
    formatCount(segments),
    formatBytes(bytes),
    versions.at(-1)?.digest ?? '-',
  ]);
  const columns = [
    { title: 'KEYSPACE' },
    { title: 'HOW' },
    { title: 'VERSIONS' },
    { title: 'SEGMENTS', align: 'right' },
    { title: 'BYTES', align: 'right' },
    { title: 'DIGEST' },
  ] as const;
  const lines = keyspaces.length === 0 ? ['No keyspaces.'] : [formatTable(columns, rows), ''];
  lines.push(`snapshot  ${snapshot}`);
  lines.push(dryRun ? 'Nothing was changed.' : `time      ${seconds.toFixed(2)} s`);
  return lines.join('\n');
}

function numberText(was: number, version: number): string {
  return version === 0 || version === was ? String(was) : `${was} (now ${version})`;
}

export function exportText(summary: ExportSummary): string {
  const { bytes, compress, dataBytes, digest, dryRun, files, format, keyspace } = summary;
  const { records, resumed, seconds, url, version } = summary;
  const earlier = resumed > 0 ? `, ${formatCount(resumed)} of them by an earlier run` : '';
  const about = dryRun ? `about ${counted(files, 'file')}` : counted(files, 'file');
  const size = dryRun ? '' : `, ${formatBytes(bytes)}`;
  return [
    `keyspace  ${keyspace}, version ${version}`,
    `records   ${formatCount(records)}, ${formatBytes(dataBytes)} of keys and values`,
    `digest    ${digest}`,
    `${dryRun ? 'to write' : 'written '}  ${about}${size} as ${format}${compress === 'none' ? '' : `, ${compress}`}${earlier}`,
    `to        ${url}`,
    dryRun ? 'Nothing was changed.' : `time      ${seconds.toFixed(2)} s`,
  ].join('\n');
}

/** `repair`: what to do about damaged objects. */
export function verifiedText(report: ArchiveReport, repair: string): string {
  const { bytes, damaged, keyspaces, segments, seconds, snapshot, versions } = report;
  const lines = damaged.map(({ name, neededBy, reason }) => {
    const of = neededBy.length === 0 ? '' : ` (${listNames(neededBy, NEEDED_BY_SHOWN_MAX)})`;
    return `DAMAGED   ${name}${of}: ${reason}`;
  });
  const counts = [
    counted(keyspaces, 'keyspace'),
    counted(versions, 'version'),
    counted(segments, 'segment'),
    formatBytes(bytes),
  ];
  lines.push(
    `checked   ${counts.join(', ')}`,
    `snapshot  ${snapshot || 'none can be read'}`,
    `time      ${seconds.toFixed(2)} s`,
  );
  if (damaged.length === 0) lines.push('Everything is as it must be.');
  else lines.push(`${counted(damaged.length, 'object')} damaged or missing. ${repair}`);
  return lines.join('\n');
}

export function snapshotsText(snapshots: readonly ListedSnapshot[]): string {
  if (snapshots.length === 0) return 'No snapshots; `stele backup URL` makes one.';
  const rows = snapshots.map(({ bytes, createdAt, keyspaces, name, trouble, versions }) => [
    name,
    createdAt || '-',
    trouble === '' ? formatCount(keyspaces) : '-',
    trouble === '' ? formatCount(versions) : '-',
    trouble === '' ? formatBytes(bytes) : trouble,
  ]);
  const columns = [
    { title: 'SNAPSHOT' },
    { title: 'CREATED' },
    { title: 'KEYSPACES', align: 'right' },
    { title: 'VERSIONS', align: 'right' },
    { title: 'BYTES' },
  ] as const;
  return formatTable(columns, rows);
}
