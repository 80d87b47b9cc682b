// Buy from a Stampede system: `Client` over ZeroMQ, `HttpClient` over HTTP (in browsers, too, as
// stampede-client/http, which needs nothing else). See README.md.

export { Answer, NotConnected, NotLoggedIn, NotStarted, OutcomeUnknown, Receipt, SoldOutForNow,
  StampedeError, Ticket } from './answers.js';
export { Client } from './client.js';
export { HttpClient } from './http_client.js';
