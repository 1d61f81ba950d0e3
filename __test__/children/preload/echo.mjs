// Answers the parent's first message with it and with who serves malloc, and ends.
import 'heapgap/preload';
import { allocator } from 'heapgap';

process.once('message', (message) => {
  process.send([allocator().name, message], () => setImmediate(() => process.disconnect()));
});
