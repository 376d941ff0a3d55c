/* leat for Node: what the package exports. */
export { Call, Client, Socket, Task } from './client.js';
export * from './errors.js';
export { Event, Head } from './event.js';
export { createFetch, fetch } from './fetch.js';
export { Stream } from './stream.js';
