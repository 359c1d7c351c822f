"""What a service that follows identity tells of a member's records: `tessera.records.v1.MemberRecordsService`."""
