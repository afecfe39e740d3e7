-- Alerts that a server will never take: given up, and shown as such.
ALTER TABLE alerts.sent DROP CONSTRAINT sent_state_check;
ALTER TABLE alerts.sent ADD CONSTRAINT sent_state_check
    CHECK (state IN ('collecting', 'unsent', 'sent', 'silent', 'refused'));
ALTER TABLE alerts.sent ADD COLUMN refused_by text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN alerts.sent.state IS
    'collecting: waits for the other mapped tasks of the run; silent: nobody is to hear of this severity; refused:'
    ' every server has refused it for good, see problem';
COMMENT ON COLUMN alerts.sent.refused_by IS 'Channels that have refused it for good, and are not tried again';
