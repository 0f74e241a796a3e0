// What the cluster is doing: each job with a bar, percent, rate and the time that is left.

import { count, rate } from '../format/numbers.ts';
import { duration } from '../format/times.ts';
import type { Job } from '../state/progress.ts';

export function JobList({ jobs }: { readonly jobs: readonly Job[] }) {
  return (
    <ul class="jobs">
      {jobs.map((job) => (
        <li key={job.id}>
          <span class="job-title">{job.title}</span>
          <progress max={100} value={job.percent ?? undefined} aria-label={job.title} />
          <span class="numbers">{textOf(job)}</span>
        </li>
      ))}
    </ul>
  );
}

function textOf({ left, perSecond, percent, secondsLeft, unit }: Job): string {
  const parts = percent === null ? [] : [`${Math.floor(percent)}%`];
  if (unit !== 'percent') parts.push(`${count(left)} ${unit} left`);
  if (perSecond !== null && unit !== 'percent') parts.push(`${rate(perSecond)} ${unit}/s`);
  if (secondsLeft !== null) parts.push(`about ${duration(secondsLeft * 1000)} more`);
  return parts.join(' · ');
}
