"""The model's side of four agents' conversations, on loopback: asks for one shell command, then answers with what came of it.

Usage: model.py PORT COMMAND. Speaks Anthropic's messages, OpenAI's responses and chat completions, and Gemini's
generateContent, each only as far as that takes."""

import http.server
import json
import sys

COMMAND = sys.argv[2]
ASKED = {"command": COMMAND, "description": "x"}


def told(results):
    return "RESULT:" + json.dumps(results)


def messages(body, text):
    tools = [tool.get("name") for tool in body.get("tools", [])]
    asks = "Bash" in tools and "tool_result" not in text
    if asks:
        block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(ASKED)}
    else:
        parts = [part for m in body.get("messages", []) if isinstance(m["content"], list) for part in m["content"]]
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": told([part for part in parts if part.get("type") == "tool_result"])}
    message = {"id": "m", "type": "message", "role": "assistant", "model": body.get("model"), "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    if not body.get("stream"):
        return {**message, "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"}
    end = {"stop_reason": "tool_use" if asks else "end_turn", "stop_sequence": None}
    return [{"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": 1}},
            {"type": "message_stop"}]


def responses(body, text):
    if "function_call_output" in text:
        outputs = [item for item in body["input"] if "output" in item]
        content = [{"type": "output_text", "text": told(outputs)}]
        item = {"type": "message", "role": "assistant", "id": "m1", "content": content}
    else:
        names = [tool.get("name") for tool in body.get("tools", [])]
        name, words = ("exec_command", {"cmd": COMMAND}) if "exec_command" in names else ("shell_command", ASKED)
        item = {"type": "function_call", "id": "f1", "call_id": "c1", "name": name, "arguments": json.dumps(words)}
    usage = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None,
             "total_tokens": 2}
    return [{"type": "response.created", "response": {"id": "r1"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {"id": "r1", "usage": usage}}]


def completions(body, text):
    if '"bash"' in text and '"role":"tool"' not in text.replace(" ", ""):
        call = {"name": "bash", "arguments": json.dumps(ASKED)}
        delta = {"role": "assistant", "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": call}]}
        reason = "tool_calls"
    else:
        delta = {"role": "assistant", "content": told([m for m in body.get("messages", []) if m.get("role") == "tool"])}
        reason = "stop"
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}]


def generate(body, text):
    if "run_shell_command" in text and "functionResponse" not in text:
        part = {"functionCall": {"name": "run_shell_command", "args": ASKED}}
    else:
        parts = [part for content in body.get("contents", []) for part in content["parts"]]
        part = {"text": told([part for part in parts if "functionResponse" in part])}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    answer = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}]}
    return {**answer, "usageMetadata": usage}


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, text, kind="application/json"):
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self):
        self.reply('{"data": []}')

    do_HEAD = do_GET

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf8", "replace")
        body = json.loads(text) if text.startswith("{") else {}
        path = self.path.split("?")[0]
        ways = {"/messages": messages, "/responses": responses, "/completions": completions}
        way = next((way for end, way in ways.items() if path.endswith(end)), None)
        if path.lower().endswith("generatecontent"):
            way = generate
        answer = way(body, text) if way else {}
        if "stream" in path and isinstance(answer, dict):
            answer = [answer]
        if isinstance(answer, dict):
            return self.reply(json.dumps(answer))
        named = [(f"event: {one['type']}\n" if "type" in one else "") + f"data: {json.dumps(one)}\n\n" for one in answer]
        end = "data: [DONE]\n\n" if way is completions else ""
        self.reply("".join(named) + end, "text/event-stream")


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
