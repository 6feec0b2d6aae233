// ShareDB: each client keeps a copy of a JSON document, which the server keeps in memory with the log of its changes.
import {createServer} from "node:http";
import WebSocketJSONStream from "@teamwork/websocket-json-stream";
import ShareDB from "sharedb";
import {WebSocketServer} from "ws";

const backend = new ShareDB();
const doc = backend.connect().get("items", "list");
doc.create({}, (error) => {
  if (error) throw error;
  const http = createServer();
  const server = new WebSocketServer({server: http, perMessageDeflate: false});
  server.on("connection", (socket) => {
    const stream = new WebSocketJSONStream(socket);
    stream.on("error", () => {});
    backend.listen(stream);
  });
  http.listen({port: 0, host: "127.0.0.1", backlog: 4096}, () => console.log(`port ${http.address().port}`));
});
