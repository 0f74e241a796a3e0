// Changes of the cluster: each is confirmed in a dialog first, then sent, then reported.

import { signal } from '@preact/signals';
import type { AskOptions } from '../api/request.ts';
import { ask } from '../api/request.ts';
import { refreshAll } from './answers.ts';

/** What the dialog asks. */
export interface Change {
  readonly title: string;
  /** What it will do, a sentence or two each. */
  readonly consequences: readonly string[];
  /** The words on the button. */
  readonly action: string;
  readonly isDangerous?: boolean;
  /** Must be typed before the button works. */
  readonly typed?: string;
  /** A choice that goes with it, off at first. */
  readonly option?: string;
  readonly path: (isOptionOn: boolean) => string;
  readonly request: AskOptions;
  /** What is said once it is done. */
  readonly done: string;
}

/** A line that says what happened, for some seconds. */
export interface Notice {
  readonly id: number;
  readonly text: string;
}

export const proposed = signal<Change | undefined>(undefined);
export const notices = signal<readonly Notice[]>([]);

const NOTICE_MS = 8000;
const NOTICES_MAX = 4;
/** A change is answered once it is in force, which may take the deadline of a commit. */
const CHANGE_MS = 60_000;
let noticeNumber = 0;

export function propose(change: Change): void {
  proposed.value = change;
}

/** Sends a change. Throws Problem. */
export async function carryOut(change: Change, isOptionOn: boolean): Promise<void> {
  await ask(change.path(isOptionOn), { deadlineMs: CHANGE_MS, ...change.request });
  notify(change.done);
  refreshAll();
}

function notify(text: string): void {
  const id = ++noticeNumber;
  notices.value = [...notices.value.slice(1 - NOTICES_MAX), { id, text }];
  setTimeout(() => (notices.value = notices.value.filter((one) => one.id !== id)), NOTICE_MS);
}
