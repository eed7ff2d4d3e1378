// One EventSource for all tabs: browsers allow six connections per host, a ward has more tabs than that.
import { Relay, type Hello } from "./relay";

const relay = new Relay();
(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0];
  if (port === undefined) return;
  const listener = (message: unknown) => port.postMessage(message);
  port.onmessage = (message: MessageEvent<Hello>) => {
    if (message.data.bye) relay.remove(listener);
    else relay.add(listener, message.data.cursor);
  };
  port.start();
};
