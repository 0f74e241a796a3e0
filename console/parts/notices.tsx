// What has just been done, and that the server does not answer.

import { health } from '../state/answers.ts';
import { notices } from '../state/changes.ts';

/** Lines that go away by themselves; screen readers hear them. */
export function Notices() {
  return (
    <div class="notices" role="status">
      {notices.value.map(({ id, text }) => (
        <p key={id}>{text}</p>
      ))}
    </div>
  );
}

/** Why what the page shows may be old. */
export function Connection() {
  const problem = health.problem.value;
  const noLeader = health.answer.value?.no_leader;
  if (problem === undefined && noLeader === undefined) return null;
  return (
    <p class="banner" role="alert">
      {problem === undefined
        ? `Without a leader nothing can be changed. ${noLeader?.reason ?? ''}`
        : `${problem.message} What you see is from before; the page keeps asking.`}
    </p>
  );
}
