-- What is known of a server has dates and a count now (ledger.Fact). Kept is what
-- protects mail; the rest is learnt anew.

UPDATE accounts SET server = json_patch(
    json_remove(server, '$.no_capa', '$.capa_fails', '$.capa_again_fails', '$.utf8_fails', '$.noop_fails', '$.logins', '$.login_gap', '$.expires',
        '$.expire_days', '$.hides', '$.has_uidl', '$.no_top_since', '$.utf8', '$.odd_sizes', '$.lockstep', '$.breaks'),
    json_object(
        'expire_0', CASE WHEN json_extract(server, '$.expires') THEN json_object('value', json('true'),
            'first', strftime('%Y-%m-%dT%H:%M:%SZ'), 'last', strftime('%Y-%m-%dT%H:%M:%SZ'), 'count', 2) END,
        'retr_hides', CASE WHEN json_extract(server, '$.hides') THEN json_object('value', json('true'),
            'first', strftime('%Y-%m-%dT%H:%M:%SZ'), 'last', strftime('%Y-%m-%dT%H:%M:%SZ'), 'count', 2) END,
        'uidl', CASE WHEN json_extract(server, '$.has_uidl') THEN json_object('value', json('true'),
            'first', strftime('%Y-%m-%dT%H:%M:%SZ'), 'last', strftime('%Y-%m-%dT%H:%M:%SZ'), 'count', 2) END));
