-- Until now message_size was also where the body of an incomplete message broke off.

ALTER TABLE messages ADD COLUMN broken_at INTEGER NOT NULL DEFAULT 0; -- octets

UPDATE messages SET broken_at = message_size, message_size = 0 WHERE cause_code = 'incomplete';
