// Server-sent events through fetch, because an EventSource cannot send the login.
//
//     event: event
//     id: 17
//     data: {"number": 17, ...}
//     (an empty line)

export interface StreamMessage {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** Takes a stream apart; pieces may be cut anywhere. */
export class EventStreamParser {
  #rest = '';
  #event = '';
  #id = '';
  #data: string[] = [];

  /** The messages that `text` completes. */
  take(text: string): StreamMessage[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): StreamMessage[] {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.#event = value;
    else if (name === 'id') this.#id = value;
    else if (name === 'data') this.#data.push(value);
    return [];
  }

  #end(): StreamMessage[] {
    const data = this.#data;
    const event = this.#event === '' ? 'message' : this.#event;
    this.#data = [];
    this.#event = '';
    return data.length === 0 ? [] : [{ event, id: this.#id, data: data.join('\n') }];
  }
}

/** Reads messages until the stream ends. Throws if its request is aborted. */
export async function readEventStream(
  body: ReadableStream<Uint8Array>,
  onMessage: (message: StreamMessage) => void,
): Promise<void> {
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const message of parser.take(decoder.decode(value, { stream: true }))) {
        onMessage(message);
      }
    }
  } finally {
    reader.releaseLock();
  }
}
