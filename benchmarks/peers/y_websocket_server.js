// y-websocket's server for Yjs: each client keeps a copy of a document, which the server keeps in memory.
import {createServer} from "node:http";
import {setupWSConnection} from "@y/websocket-server/utils";
import {WebSocketServer} from "ws";

const http = createServer();
const server = new WebSocketServer({server: http, perMessageDeflate: false});
server.on("connection", (socket, request) => {
  socket.ping = () => socket.emit("pong");  // the crowd answers none
  setupWSConnection(socket, request);
});
http.listen({port: 0, host: "127.0.0.1", backlog: 4096}, () => console.log(`port ${http.address().port}`));
