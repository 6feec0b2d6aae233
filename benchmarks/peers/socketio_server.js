// The library `socket.io`, over WebSocket: what a client emits is emitted to all of them; nothing is kept.
import {createServer} from "node:http";
import {Server} from "socket.io";

const http = createServer();
const io = new Server(http, {transports: ["websocket"], perMessageDeflate: false, pingInterval: 3_600_000});
io.on("connection", (socket) => {
  socket.emit("hello");
  socket.on("update", (item) => io.emit("update", item));
});
http.listen({port: 0, host: "127.0.0.1", backlog: 4096}, () => console.log(`port ${http.address().port}`));
