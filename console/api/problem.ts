// What goes wrong with a request, as one error with a sentence for people.

/** An answer of RFC 9457, or no answer (`UNREACHABLE`, `TIMEOUT`). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string;

  constructor(status: number, code: string, detail: string, requestId = '') {
    super(detail);
    this.status = status;
    this.code = code;
    this.requestId = requestId;
  }
}

/** The problem in the body of a refusal. */
export async function problemOf(response: Response): Promise<Problem> {
  try {
    const { code, detail, requestId } = (await response.json()) as Record<string, string>;
    return new Problem(response.status, code ?? 'UNKNOWN', detail ?? '', requestId);
  } catch {
    const text = `The answer was ${response.status} ${response.statusText} without an explanation; something between the browser and Stele may have sent it.`;
    return new Problem(response.status, 'UNKNOWN', text);
  }
}

/** The problem of a request without an answer. */
export function noAnswer(thrown: unknown, deadlineMs: number): Problem {
  if (thrown instanceof Problem) return thrown;
  if (thrown instanceof DOMException && thrown.name === 'TimeoutError') {
    return new Problem(0, 'TIMEOUT', `There was no answer within ${deadlineMs / 1000} s.`);
  }
  const text =
    'The server of this page does not answer: it may be stopped, or the network is down.';
  return new Problem(0, 'UNREACHABLE', text);
}
