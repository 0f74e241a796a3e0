// Who is logged in, and what that allows.

import { signal } from '@preact/signals';
import { setAuthorization } from '../api/credentials.ts';
import { Problem } from '../api/problem.ts';
import { ask, whenAskedWho } from '../api/request.ts';
import type { Right, Session } from '../api/shapes.ts';
import { forgetAll } from './answers.ts';
import { hasRight } from './rights.ts';

/** `starting`: nothing is known yet; `out`: the server asks who this is. */
export type SessionState =
  | { readonly is: 'starting'; readonly problem?: Problem }
  | { readonly is: 'out'; readonly refusal?: string }
  | { readonly is: 'in'; readonly session: Session };

export const sessionState = signal<SessionState>({ is: 'starting' });

/** Rights may be granted and taken away while the page is open. */
const REFRESH_MS = 30_000;
const RETRY_MS = 2000;

/** Asks who this is, now and from time to time. */
export function startSession(): void {
  whenAskedWho(() => {
    if (sessionState.value.is === 'in') {
      sessionState.value = { is: 'out', refusal: 'The login has ended: log in again.' };
      forgetAll();
    }
  });
  void keepAsking();
}

async function keepAsking(): Promise<void> {
  if (sessionState.value.is !== 'out') await askWho();
  const wait = sessionState.value.is === 'starting' ? RETRY_MS : REFRESH_MS;
  setTimeout(() => void keepAsking(), wait);
}

async function askWho(): Promise<void> {
  try {
    sessionState.value = { is: 'in', session: await ask<Session>('v1/session') };
  } catch (thrown) {
    const problem = thrown as Problem;
    if (problem.status === 401) {
      if (sessionState.value.is === 'starting') sessionState.value = { is: 'out' };
    } else if (sessionState.value.is !== 'in') {
      sessionState.value = { is: 'starting', problem };
    }
  }
}

/** Logs in with the value of the header `authorization`. */
export async function logIn(header: string): Promise<void> {
  setAuthorization(header);
  try {
    const session = await ask<Session>('v1/session');
    forgetAll();
    sessionState.value = { is: 'in', session };
  } catch (thrown) {
    setAuthorization(undefined);
    sessionState.value = { is: 'out', refusal: (thrown as Problem).message };
  }
}

export function logOut(): void {
  setAuthorization(undefined);
  sessionState.value = { is: 'out' };
  forgetAll();
}

/** Whether the user who is logged in may do this: to a keyspace, or without one to the cluster. */
export function may(right: Right, keyspace?: string): boolean {
  const state = sessionState.value;
  return state.is === 'in' && hasRight(state.session, right, keyspace);
}
