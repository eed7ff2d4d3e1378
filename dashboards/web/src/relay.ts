// Keeps one event stream open, remembers a bounded tail of it, and gives each page exactly what follows the page's own cursor.
export interface Hello {
  cursor: string;
  bye?: boolean;
}

const NAMES = ["alert", "desk", "registry", "vitals", "heartbeat", "snapshot", "closed"] as const;

// "reopened": the stream was cut and is back; "denied": the server refuses it, which may mean that nobody is signed in any more.
export interface LiveMessage {
  event: (typeof NAMES)[number] | "reopened" | "denied";
  id: string;
  data: string;
}

type Listener = (message: LiveMessage) => void;
const TAIL = 500;
const RETRY_MS = 2000;
const SILENCE_MS = 12_000; // six heartbeats missed: the connection is dead even if nobody said so
const DURABLE = new Set<string>(["alert", "desk", "registry"]);

export function parse(cursor: string): { lineage: string; offset: number } {
  const at = cursor.lastIndexOf(":");
  return { lineage: cursor.slice(0, at), offset: Number(cursor.slice(at + 1)) };
}

export class Relay {
  private listeners = new Set<Listener>();
  private source: EventSource | null = null;
  private tail: LiveMessage[] = [];
  private start = "";
  private last = "";
  private heardAt = 0;
  private wasOpen = false;

  constructor() {
    setInterval(() => {
      if (this.source !== null && Date.now() - this.heardAt > SILENCE_MS) this.open();
    }, 3000);
  }

  add(listener: Listener, cursor: string): void {
    this.listeners.add(listener);
    const asked = parse(cursor);
    if (this.source === null || parse(this.last).lineage !== asked.lineage) {
      this.begin(cursor);
      this.open();
    } else if (asked.offset < parse(this.start).offset) {
      listener({ event: "snapshot", id: "", data: "{}" });
    } else {
      for (const message of this.tail) if (parse(message.id).offset > asked.offset) listener(message);
    }
  }

  remove(listener: Listener): void {
    this.listeners.delete(listener);
    if (this.listeners.size === 0) {
      this.source?.close();
      this.source = null;
    }
  }

  private begin(cursor: string): void {
    this.tail = [];
    this.start = cursor;
    this.last = cursor;
    this.wasOpen = false;
  }

  private open(): void {
    this.source?.close();
    this.heardAt = Date.now();
    const source = new EventSource(`/api/v1/stream?since=${encodeURIComponent(this.last)}`);
    this.source = source;
    source.onopen = () => {
      if (this.wasOpen) this.send({ event: "reopened", id: "", data: "" });
      this.wasOpen = true;
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.send({ event: "denied", id: "", data: "" });
      setTimeout(() => {
        if (this.source === source) this.open();
      }, RETRY_MS);
    };
    for (const name of NAMES) {
      source.addEventListener(name, (event) => this.heard(name, event as MessageEvent<string>));
    }
  }

  private heard(name: LiveMessage["event"], event: MessageEvent<string>): void {
    this.heardAt = Date.now();
    const message: LiveMessage = { event: name, id: event.lastEventId, data: event.data };
    if (name === "snapshot") this.begin(event.lastEventId); // the page loads anew; what came before does not follow from here
    else if (event.lastEventId !== "") this.last = event.lastEventId; // heartbeats too: the log moves on where we see nothing
    if (name === "snapshot") this.wasOpen = true;
    if (DURABLE.has(name)) {
      this.tail.push(message);
      const dropped = this.tail.length > TAIL ? this.tail.shift() : undefined;
      if (dropped !== undefined) this.start = dropped.id;
    }
    this.send(message);
  }

  private send(message: LiveMessage): void {
    for (const listener of [...this.listeners]) listener(message);
  }
}
