"""What an LLM API answers in each dialect, plainly and event by event; the words are always the same."""
import json
import re

PLAIN = "hello from upstream"
WORDS = ("one ", "two ", "three")


def dialect_of(path):
    """By the path, as a provider tells them apart; None is openai_chat."""
    path = path.split("?")[0]
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return "gemini"
    return {"responses": "responses", "messages": "claude"}.get(path.rsplit("/", 1)[-1])


def model_of(path):
    """Gemini names its model in the path."""
    found = re.search(r"/models/([^:/?]+):", path)
    return found and found.group(1)


def is_stream(path, request):
    return ":streamGenerateContent" in path or bool(isinstance(request, dict) and request.get("stream"))


def _sse(name, value):
    return f"event: {name}\ndata: {json.dumps(value)}\n\n".encode()


def _response(status, output):
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": None,
            "incomplete_details": None, "instructions": None, "model": "answer", "output": output,
            "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0,
            "metadata": {}, "usage": None}


def _item(status, text):
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": [part] if text else []}


def _message(content):
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "answer", "content": content,
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 2}}


def _candidate(text, reason=None):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "answer", "responseId": "r1",
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}}


def answer(dialect):
    if dialect == "responses":
        return _response("completed", [_item("completed", PLAIN)])
    if dialect == "claude":
        return {**_message([{"type": "text", "text": PLAIN}]), "stop_reason": "end_turn"}
    return _candidate(PLAIN, "STOP")


def _responses_events():
    events = [("response.created", {"response": _response("in_progress", [])}),
              ("response.output_item.added", {"output_index": 0, "item": _item("in_progress", "")}),
              ("response.content_part.added", {"item_id": "msg_1", "output_index": 0, "content_index": 0,
                                               "part": {"type": "output_text", "text": "", "annotations": []}})]
    events += [("response.output_text.delta", {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": word,
                                               "logprobs": []}) for word in WORDS]
    events.append(("response.completed", {"response": _response("completed", [_item("completed", "".join(WORDS))])}))
    return [_sse(name, {"type": name, "sequence_number": number, **value}) for number, (name, value) in enumerate(events)]


def _claude_events():
    events = [{"type": "message_start", "message": _message([])},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
    events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in WORDS]
    events += [{"type": "content_block_stop", "index": 0},
               {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 3}},
               {"type": "message_stop"}]
    return [_sse(event["type"], event) for event in events]


def events(dialect, path):
    """The parts of a stream's body, and its content type."""
    if dialect == "responses":
        return _responses_events(), "text/event-stream"
    if dialect == "claude":
        return _claude_events(), "text/event-stream"
    chunks = [json.dumps(_candidate(word, "STOP" if word == WORDS[-1] else None)) for word in WORDS]
    if "alt=sse" in path:
        return [f"data: {chunk}\n\n".encode() for chunk in chunks], "text/event-stream"
    return [("[" if number == 0 else ",\n").encode() + chunk.encode() + (b"]" if number == len(chunks) - 1 else b"")
            for number, chunk in enumerate(chunks)], "application/json"
