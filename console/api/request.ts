// One way to ask the server of this page: with the login, a deadline, and errors as Problem.

import { authorization } from './credentials.ts';
import { Problem, noAnswer, problemOf } from './problem.ts';

const DEADLINE_MS = 10_000;

export interface AskOptions {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/** Called for each 401. */
let onStranger: () => void = () => undefined;

export function whenAskedWho(callback: () => void): void {
  onStranger = callback;
}

/** The answer to a request, whatever its status except 4xx and 5xx. Throws Problem. */
export async function send(path: string, options: AskOptions = {}): Promise<Response> {
  const { body, deadlineMs = DEADLINE_MS, headers = {}, method = 'GET', signal } = options;
  const login = authorization();
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    const response = await fetch(path, {
      method,
      cache: 'no-store',
      redirect: 'error',
      headers: {
        // Asks for a 401 that does not make the browser open its own form.
        'x-requested-with': 'stele-console',
        ...(login === undefined ? {} : { authorization: login }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    if (response.status === 401) onStranger();
    if (response.status >= 400) throw await problemOf(response);
    return response;
  } catch (thrown) {
    throw noAnswer(thrown, deadlineMs);
  }
}

/** The JSON of an answer. Throws Problem. */
export async function ask<Answer>(path: string, options: AskOptions = {}): Promise<Answer> {
  const response = await send(path, options);
  try {
    return (await response.json()) as Answer;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) {
      throw new Problem(response.status, 'UNKNOWN', 'The answer is not JSON.');
    }
    throw noAnswer(thrown, options.deadlineMs ?? DEADLINE_MS);
  }
}
